/**
 * The core time of this thread. Unlike wall time it leaves out the time for which other work on the
 * machine had the core, so that figures of a busy machine can be compared.
 *
 * @see https://man7.org/linux/man-pages/man2/clock_gettime.2.html
 */
const CLOCK_THREAD_CPUTIME_ID = 3;

const libc = Deno.build.os === "linux"
  ? Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  }).symbols
  : undefined;
const timespec = new BigInt64Array(2);

/** Nanoseconds of this thread on a core; wall time where the system is not Linux. */
export function coreNanoseconds(): number {
  if (libc === undefined) return performance.now() * 1e6;
  libc.clock_gettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return Number(timespec[0]) * 1e9 + Number(timespec[1]);
}

/** The processor's name. */
export function processorName(): string {
  if (Deno.build.os !== "linux") return Deno.build.arch;
  const [, name] = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo")) ?? [];
  return name ?? Deno.build.arch;
}

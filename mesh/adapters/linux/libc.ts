/**
 * Linux calls that Deno has no function for. Every caller works without them: where the library is
 * missing, threads keep their priorities and the page cache keeps written pages.
 *
 * @see https://man7.org/linux/man-pages/
 */
const SYMBOLS = {
  /** Thread, policy, `struct sched_param` (an int32); 0 when it worked. */
  sched_setscheduler: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  /** Thread; its policy. */
  sched_getscheduler: { parameters: ["i32"], result: "i32" },
  /** Path (ending in a zero), flags; a file descriptor, or -1. */
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  /**
   * Descriptor, first byte, bytes, advice; 0 when it worked. Runs outside the event loop's thread.
   */
  posix_fadvise: { parameters: ["i32", "i64", "i64", "i32"], result: "i32", nonblocking: true },
  /** The same in the calling thread, which waits for it. */
  posix_fadvise_sync: {
    name: "posix_fadvise",
    parameters: ["i32", "i64", "i64", "i32"],
    result: "i32",
  },
  /**
   * Address, bytes, advice; 0 when it worked. Runs outside the event loop's thread.
   */
  madvise: { parameters: ["u64", "u64", "i32"], result: "i32", nonblocking: true },
} as const;

export type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Libc | undefined;

/**
 * The library; undefined where the system is not Linux with glibc, which Deno's own builds need.
 */
export function openLibc(): Libc | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    return opened ??= Deno.dlopen("libc.so.6", SYMBOLS).symbols;
  } catch {
    return undefined;
  }
}

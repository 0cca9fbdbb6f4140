/**
 * Notices the end of the launcher that this process was started through, on Linux.
 *
 * `npx -y deno task cairn serve` is a chain of processes: npm, a shell, `deno task` for each task,
 * this one. SIGTERM to the first ends npm and the shell, and none of them passes it on: the server
 * would go on as an orphan that the caller cannot name.
 */

/** One process of the chain. The start time tells it from a later process with the same number. */
interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly startTime: string;
  readonly commandLine: string;
}

const POLL_MS = 500;
/** More processes than this in a chain are not looked at. */
const CHAIN_MAX = 16;

/** Resolves with the launcher's kind when one has ended; never where there is none. */
export function launcherEnd(): Promise<string> {
  const chain = launchers(Deno.ppid, readProcess);
  return new Promise((resolve) => {
    if (chain.length === 0) return;
    const timer = setInterval(() => {
      const ended = chain.find(({ pid, startTime }) => readProcess(pid)?.startTime !== startTime);
      if (ended === undefined) return;
      clearInterval(timer);
      // Not its command line, which may hold secrets.
      resolve(names[kindOf(ended.commandLine) ?? "task"]);
    }, POLL_MS);
    Deno.unrefTimer(timer);
  });
}

/**
 * The launchers above this process: any number of `deno task`, or the command of the package, and
 * above them `npx` or `npm` with its shell. A shell without npm above it is the user's,
 * and may be closed while the server stays.
 */
export function launchers(
  parent: number,
  read: (pid: number) => Process | undefined,
): readonly Process[] {
  const chain: Process[] = [];
  let kept = 0;
  for (let pid = parent; chain.length < CHAIN_MAX;) {
    const found = read(pid);
    if (found === undefined) break;
    const kind = kindOf(found.commandLine);
    if (kind === undefined) break;
    chain.push(found);
    if (kind !== "shell") kept = chain.length;
    if (kind === "npm") break;
    pid = found.parent;
  }
  return chain.slice(0, kept);
}

type Kind = "task" | "command" | "shell" | "npm";

const names: Readonly<Record<Kind, string>> = {
  task: "deno task",
  command: "cairn",
  shell: "npm",
  npm: "npm",
};

function kindOf(commandLine: string): Kind | undefined {
  if (/^(?:\S*\/)?deno task(?: |$)/.test(commandLine)) return "task";
  if (/^\S*node \S*\/cairn(?:\.mjs)?(?: |$)/.test(commandLine)) return "command";
  if (/^(?:\S*\/)?(?:sh|bash|dash) -c /.test(commandLine)) return "shell";
  if (/^(?:npm|npx) |^\S*node \S*\/(?:npm|npx)(?:-cli\.js)? /.test(commandLine)) return "npm";
  return undefined;
}

/**
 * Undefined where the process has ended, or the system has no /proc.
 *
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
function readProcess(pid: number): Process | undefined {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // Fields after the name, which may contain spaces and brackets: state, parent, …, start time.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    const commandLine = Deno.readTextFileSync(`/proc/${pid}/cmdline`)
      .replaceAll("\0", " ").trimEnd();
    return { pid, parent: Number(fields[1]), startTime: fields[19], commandLine };
  } catch {
    return undefined;
  }
}

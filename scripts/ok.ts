/**
 * Runs every check of the project, passes its output through, and ends with one line
 * `N passed, N failed`, in which each check and each test counts once. CI runs this script alone.
 *
 *     deno task ok                  all checks
 *     deno task ok lint layers      these two
 *
 * Checks whose verdict does not depend on the machine's load run side by side, the others alone.
 *
 * A check whose tool is missing (the Rust compiler) is skipped with a line that says so; with
 * `CI=true` it fails. A check that the machine forbids (no mounts) exits with 77 and is skipped.
 */
import { rooms } from "./source_files.ts";
import { countCargo, countJunit, type Counts, noCounts, sumCounts } from "./test_counts.ts";
import { SKIPPED } from "./skipped.ts";

interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Programs that must be on the PATH. */
  readonly needs?: readonly string[];
  /** Format of the test counts; absent = the check counts as one. */
  readonly counts?: "junit" | "cargo";
  /** It uses real time or all cores, so no other check runs meanwhile. */
  readonly alone?: boolean;
  /** It waits for downloads most of the time, so it runs beside as many others as without it. */
  readonly waits?: boolean;
}

const deno = Deno.execPath();

/** Test files that run at once: many wait for servers that they started, or for their leases. */
const testFilesAtOnce = Math.ceil(1.5 * navigator.hardwareConcurrency);

/** In the order in which they start: quick checks first, but for the one that waits. */
const checks: readonly Check[] = [
  { name: "lockfile", command: [deno, "install", "--frozen"], alone: true },
  {
    name: "image",
    command: [deno, "run", "-A", "scripts/check_image.ts"],
    needs: ["buildah", "mmdebstrap"],
    waits: true,
  },
  { name: "format", command: [deno, "fmt", "--check"] },
  { name: "lint", command: [deno, "lint"] },
  { name: "layers", command: [deno, "run", "-A", "scripts/check_layers.ts"] },
  { name: "docs", command: [deno, "run", "-A", "scripts/check_docs.ts"] },
  { name: "prose", command: [deno, "run", "-A", "scripts/check_prose.ts"] },
  { name: "types", command: [deno, "check", "main.ts", ...rooms, "scripts", "tests"] },
  { name: "simulation", command: [deno, "run", "-A", "scripts/check_simulation.ts"] },
  {
    name: "kernel",
    command: [deno, "run", "-A", "scripts/build_kernel.ts", "--check"],
    needs: ["rustc"],
  },
  {
    name: "crate",
    command: ["cargo", "test", "--manifest-path", "kernels/embedding/Cargo.toml"],
    needs: ["cargo"],
    counts: "cargo",
  },
  {
    name: "lanes",
    command: [deno, "run", "-A", "scripts/build_kernel.ts", "--test"],
    needs: ["rustc"],
  },
  {
    name: "doctests",
    // Without type check: Deno imports every export before each example, and unused imports are
    // errors in this project.
    command: [deno, "test", "-A", "--doc", "--no-check", ...rooms],
    counts: "junit",
  },
  {
    name: "tests",
    command: [deno, "task", "test"],
    environment: { DENO_JOBS: Deno.env.get("DENO_JOBS") ?? String(testFilesAtOnce) },
    counts: "junit",
    alone: true,
  },
  // Exits with 1 when the rankings did not get better.
  { name: "demo", command: [deno, "task", "demo", "--seconds", "20"], alone: true },
  // Exits with 1 when the mesh has broken a promise about correctness (cli/demo_mesh/verdict.ts).
  {
    name: "mesh",
    command: [deno, "task", "demo:mesh", "--short", "--json", "--seconds", "3"],
    needs: ["redis-server"],
    alone: true,
  },
  {
    name: "mesh-valkey",
    command: [deno, "task", "demo:mesh", "--short", "--json", "--seconds", "3", "--server"]
      .concat("valkey-server"),
    needs: ["valkey-server"],
    alone: true,
  },
];

/** A type check takes 2 GiB. */
const CHECKS_AT_A_TIME = 2;

const root = new URL("../", import.meta.url).pathname;
const strict = Deno.env.get("CI") === "true";

/** Debian's compiler comes first: it built the committed kernel. */
const path = `/usr/bin:${Deno.env.get("PATH") ?? ""}`;

async function has(program: string): Promise<boolean> {
  for (const folder of path.split(":")) {
    const info = await Deno.stat(`${folder}/${program}`).catch(() => undefined);
    if (info?.isFile) return true;
  }
  return false;
}

type Writer = (bytes: Uint8Array) => void;

/** Runs the command and writes its output as it comes; resolves with exit code and output. */
async function runCommand(
  command: readonly string[],
  environment: Readonly<Record<string, string>>,
  write: Writer,
): Promise<{ code: number; text: string }> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    cwd: root,
    env: { NO_COLOR: "1", PATH: path, ...environment },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let text = "";
  const pass = async (from: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of from) {
      text += decoder.decode(bytes, { stream: true });
      write(bytes);
    }
  };
  await Promise.all([pass(child.stdout), pass(child.stderr)]);
  return { code: (await child.status).code, text };
}

async function runCheck(check: Check, write: Writer): Promise<Counts> {
  const missing: string[] = [];
  for (const program of check.needs ?? []) if (!await has(program)) missing.push(program);
  if (missing.length > 0) {
    const line = `${check.name}: needs ${missing.join(", ")}, which is not on the path\n`;
    write(new TextEncoder().encode(line));
    return strict ? { ...noCounts, failed: 1 } : { ...noCounts, skipped: 1 };
  }
  const report = check.counts === "junit" ? await Deno.makeTempFile({ suffix: ".xml" }) : undefined;
  try {
    const { code, text } = await runCommand(
      report === undefined ? check.command : [...check.command, `--junit-path=${report}`],
      check.environment ?? {},
      write,
    );
    if (check.counts === undefined) {
      if (code === SKIPPED) return { ...noCounts, skipped: 1 };
      return code === 0 ? { ...noCounts, passed: 1 } : { ...noCounts, failed: 1 };
    }
    const counts = report === undefined
      ? countCargo(text)
      : countJunit(await Deno.readTextFile(report));
    // A runner that exits with an error but reports no failed test (a file that does not load, a
    // crash) counts as one failure, and so does a runner that ran nothing.
    const ranNothing = counts.passed + counts.failed === 0;
    const unexplained = (code !== 0 && counts.failed === 0) || (code === 0 && counts.failed > 0);
    return ranNothing || unexplained ? { ...counts, failed: counts.failed + 1 } : counts;
  } finally {
    if (report !== undefined) await Deno.remove(report);
  }
}

const wanted = Deno.args.length === 0
  ? checks
  : checks.filter(({ name }) => Deno.args.includes(name));
const unknown = Deno.args.filter((name) => !checks.some((check) => check.name === name));
if (unknown.length > 0) {
  console.error(
    `There is no check "${unknown[0]}"; the checks are ${checks.map((c) => c.name).join(", ")}.`,
  );
  Deno.exit(2);
}

function writeOut(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}

const lines = new Map<Check, string>();
let total = noCounts;

/** Runs the check; its output appears as it comes when it runs alone, and at its end otherwise. */
async function runAndTell(check: Check): Promise<void> {
  const startedAtMs = performance.now();
  const kept: Uint8Array[] = [];
  if (check.alone) console.log(`\n── ${check.name}`);
  const counts = await runCheck(check, check.alone ? writeOut : (bytes) => kept.push(bytes));
  if (!check.alone) console.log(`\n── ${check.name}`);
  for (const bytes of kept) writeOut(bytes);
  total = sumCounts(total, counts);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  const verdict = counts.failed > 0 ? "FAILED" : counts.passed > 0 ? "ok" : "skipped";
  lines.set(
    check,
    `${check.name.padEnd(10)} ${verdict.padEnd(8)} ${counts.passed} passed, ` +
      `${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`,
  );
}

const running = new Map<Check, Promise<void>>();

/** Whether the check may not begin yet. */
function isHeldUp({ alone }: Check): boolean {
  if (alone) return running.size > 0;
  return [...running.keys()].filter(({ waits }) => !waits).length >= CHECKS_AT_A_TIME;
}

for (const check of wanted) {
  while (isHeldUp(check)) await Promise.race(running.values());
  const run = runAndTell(check).finally(() => running.delete(check));
  running.set(check, run);
  if (check.alone) await run;
}
await Promise.all(running.values());
console.log(`\n── summary\n${wanted.map((check) => lines.get(check)).join("\n")}\n`);
console.log(
  `${total.passed} passed, ${total.failed} failed` +
    (total.skipped > 0 ? `, ${total.skipped} skipped` : ""),
);
Deno.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

/**
 * Runs every check of the project, passes its output through, and ends with one line
 * `N passed, N failed`, in which each check and each test counts once. CI runs this script alone.
 *
 *     deno task ok                  all checks
 *     deno task ok lint layers      these two
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
  /** Programs that must be on the PATH. */
  readonly needs?: readonly string[];
  /** Format of the test counts; absent = the check counts as one. */
  readonly counts?: "junit" | "cargo";
}

const deno = Deno.execPath();

/** In the order in which they run: quick checks first. */
const checks: readonly Check[] = [
  { name: "lockfile", command: [deno, "install", "--frozen"] },
  { name: "format", command: [deno, "fmt", "--check"] },
  { name: "lint", command: [deno, "lint"] },
  { name: "types", command: [deno, "check", "main.ts", ...rooms, "scripts", "tests"] },
  { name: "layers", command: [deno, "run", "-A", "scripts/check_layers.ts"] },
  { name: "docs", command: [deno, "run", "-A", "scripts/check_docs.ts"] },
  { name: "prose", command: [deno, "run", "-A", "scripts/check_prose.ts"] },
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
  { name: "tests", command: [deno, "task", "test"], counts: "junit" },
  { name: "simulation", command: [deno, "run", "-A", "scripts/check_simulation.ts"] },
  // Exits with 1 when the rankings did not get better.
  { name: "demo", command: [deno, "task", "demo", "--seconds", "30"] },
  // Exits with 1 when a click was lost or learned twice.
  {
    name: "mesh",
    command: [deno, "task", "demo:mesh", "--short", "--json", "--seconds", "5"],
    needs: ["redis-server"],
  },
  {
    name: "mesh-valkey",
    command: [deno, "task", "demo:mesh", "--short", "--json", "--seconds", "5", "--server"]
      .concat("valkey-server"),
    needs: ["valkey-server"],
  },
  {
    name: "image",
    command: [deno, "run", "-A", "scripts/check_image.ts"],
    needs: ["buildah", "mmdebstrap"],
  },
];

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

/** Runs the command and passes its output through; resolves with exit code and output. */
async function runCommand(command: readonly string[]): Promise<{ code: number; text: string }> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    cwd: root,
    env: { NO_COLOR: "1", PATH: path },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const decoder = new TextDecoder();
  let text = "";
  const pass = async (from: ReadableStream<Uint8Array>, to: typeof Deno.stdout) => {
    for await (const bytes of from) {
      text += decoder.decode(bytes, { stream: true });
      for (let written = 0; written < bytes.length;) {
        written += await to.write(bytes.subarray(written));
      }
    }
  };
  await Promise.all([pass(child.stdout, Deno.stdout), pass(child.stderr, Deno.stderr)]);
  return { code: (await child.status).code, text };
}

async function runCheck(check: Check): Promise<Counts> {
  const missing: string[] = [];
  for (const program of check.needs ?? []) if (!await has(program)) missing.push(program);
  if (missing.length > 0) {
    console.log(`${check.name}: needs ${missing.join(", ")}, which is not on the path`);
    return strict ? { ...noCounts, failed: 1 } : { ...noCounts, skipped: 1 };
  }
  const report = check.counts === "junit" ? await Deno.makeTempFile({ suffix: ".xml" }) : undefined;
  try {
    const { code, text } = await runCommand(
      report === undefined ? check.command : [...check.command, `--junit-path=${report}`],
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

const lines: string[] = [];
let total = noCounts;
for (const check of wanted) {
  console.log(`\n── ${check.name}`);
  const startedAtMs = performance.now();
  const counts = await runCheck(check);
  total = sumCounts(total, counts);
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  const verdict = counts.failed > 0 ? "FAILED" : counts.passed > 0 ? "ok" : "skipped";
  lines.push(
    `${check.name.padEnd(10)} ${verdict.padEnd(8)} ${counts.passed} passed, ` +
      `${counts.failed} failed, ${counts.skipped} skipped (${seconds} s)`,
  );
}
console.log(`\n── summary\n${lines.join("\n")}\n`);
console.log(
  `${total.passed} passed, ${total.failed} failed` +
    (total.skipped > 0 ? `, ${total.skipped} skipped` : ""),
);
Deno.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);

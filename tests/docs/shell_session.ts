/**
 * Runs the shell fences of a document as one session in an empty folder, with `cairn` on the path.
 */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { freePort } from "../free_ports.ts";

const root = new URL("../../", import.meta.url).pathname;

/** A fenced block of a document. */
export interface Fence {
  readonly line: number;
  readonly text: string;
  /** Why it is not run. */
  readonly skipped: string | undefined;
}

/**
 * The shell fences of a document.
 *
 * @param others Languages that the document shows too, such as parts of a configuration.
 */
export function fencesOf(markdown: string, others: readonly string[] = []): Fence[] {
  return [
    ...markdown.matchAll(/(?:<!-- not run by the test: (.+?) -->\s*)?^```(\w*)\n(.*?)^```$/gms),
  ]
    .filter(({ 2: language }) => !others.includes(language))
    .map(({ index, 1: skipped, 2: language, 3: text }) => {
      const line = markdown.slice(0, index).split("\n").length;
      assert.equal(language, "sh", `line ${line}: the language of a fence is sh`);
      return { line, text, skipped };
    });
}

/** Whether the programs are installed. */
export function has(...programs: readonly string[]): boolean {
  return programs.every((program) =>
    new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
      .outputSync().success
  );
}

/**
 * Runs the fences that are to be run, one after another, and returns their text on stdout. `cairn
 * plan` exits with 2 where there are changes, which does not end the session.
 *
 * @param env Further variables of the session, such as ports.
 * @param files Files that are there at the begin, by their path.
 */
export async function runFences(
  fences: readonly Fence[],
  env: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "fences-" });
  const program = `"${Deno.execPath()}" run -A --no-check --config "${root}deno.json" ` +
    `"${root}main.ts" "$@"`;
  const cairn = `#!/bin/sh
[ "$1" = plan ] || exec ${program}
${program}
code=$?
echo "cairn plan exits with $code"
[ $code -eq 2 ] || exit $code
`;
  await Deno.mkdir(`${folder}/bin`);
  await Deno.writeTextFile(`${folder}/bin/cairn`, cairn, { mode: 0o755 });
  await Deno.mkdir(`${folder}/session`);
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(`${folder}/session/${path}`), { recursive: true });
    await Deno.writeTextFile(`${folder}/session/${path}`, text);
  }
  const run = fences.filter(({ skipped }) => skipped === undefined);
  const script = [
    // As in a terminal: a failing command ends the session, an ended server does not.
    "set -eu -o pipefail",
    "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT",
    'wait() { builtin wait "$@" || true; }',
    "HOSTS=",
    ...run.flatMap(({ line, text }) => [`echo "--- line ${line}"`, text]),
    "echo '--- end'",
  ].join("\n");
  try {
    const shell = new Deno.Command("timeout", {
      // A host that does not end at its SIGTERM must not hide the logs.
      args: ["-k", "20", "900", "bash", "-c", script],
      cwd: `${folder}/session`,
      stdin: "null",
      env: {
        PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
        NO_COLOR: "1",
        CAIRN_PORT: String(freePort()),
        ...env,
      },
    });
    const { code, stdout, stderr } = await shell.output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const succeeds = code === 0 && out.trimEnd().endsWith("--- end");
    assert.ok(
      succeeds,
      `exit ${code}\n${out.slice(-3000)}\n${err.slice(-3000)}\n` +
        (succeeds ? "" : await endsOfLogs(`${folder}/session`)),
    );
    return out;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The ends of the logs in a folder and the folders in it. */
async function endsOfLogs(folder: string): Promise<string> {
  const ends: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) ends.push(await endsOfLogs(`${folder}/${name}`));
    if (!name.endsWith(".log")) continue;
    const text = await Deno.readTextFile(`${folder}/${name}`);
    ends.push(`${name}:\n${text.slice(-1500)}`);
  }
  return ends.join("\n");
}

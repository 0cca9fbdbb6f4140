/**
 * Goal: every command of the runbook works as it stands.
 *
 * Method: the code fences are one shell session in an empty folder, with `cairn` on the path and
 * free ports; a fence that is not run has the reason before it. Commands in the text must be those
 * of the command line.
 */
import assert from "node:assert/strict";
import { buildCommandLine } from "../../cli/command_line.ts";
import { freePort } from "../integration/host_process.ts";

const root = new URL("../../", import.meta.url).pathname;
const runbook = Deno.readTextFileSync(`${root}docs/runbook.md`);

interface Fence {
  readonly line: number;
  readonly text: string;
  /** Why it is not run. */
  readonly skipped: string | undefined;
}

/** The fences of the language `sh`. */
function fencesOf(markdown: string): Fence[] {
  return [
    ...markdown.matchAll(/(?:<!-- not run by the test: (.+?) -->\s*)?^```(\w*)\n(.*?)^```$/gms),
  ]
    .map(({ index, 1: skipped, 2: language, 3: text }) => {
      const line = markdown.slice(0, index).split("\n").length;
      assert.equal(language, "sh", `line ${line}: the language of a fence is sh`);
      return { line, text, skipped };
    });
}

/** Whether the programs are installed. */
function has(...programs: readonly string[]): boolean {
  return programs.every((program) =>
    new Deno.Command("sh", { args: ["-c", `command -v ${program}`], stdout: "null" })
      .outputSync().success
  );
}

async function consecutivePorts(): Promise<number> {
  for (;;) {
    const first = freePort();
    try {
      const listeners = [1, 2].map((i) => Deno.listen({ hostname: "127.0.0.1", port: first + i }));
      for (const listener of listeners) listener.close();
      return first;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

Deno.test({
  name: "every command of the runbook works in an empty folder, in order",
  ignore: !has("bash", "curl", "redis-server", "redis-cli"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "runbook-" });
    const run = fencesOf(runbook).filter(({ skipped }) => skipped === undefined);
    assert.ok(run.length >= 12, `${run.length} fences`);
    const cairn = `#!/bin/sh\nexec "${Deno.execPath()}" run -A --no-check --config ` +
      `"${root}deno.json" "${root}main.ts" "$@"\n`;
    await Deno.mkdir(`${folder}/bin`);
    await Deno.writeTextFile(`${folder}/bin/cairn`, cairn, { mode: 0o755 });
    await Deno.mkdir(`${folder}/work`);
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
        args: ["240", "bash", "-c", script],
        cwd: `${folder}/work`,
        stdin: "null",
        env: {
          PATH: `${folder}/bin:${Deno.env.get("PATH")}`,
          NO_COLOR: "1",
          CAIRN_PORT: String(freePort()),
          REDIS_PORT: String(freePort()),
          LINKS: String(await consecutivePorts()),
        },
      });
      const { code, stdout, stderr } = await shell.output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      const logs: string[] = [];
      for await (const { name } of Deno.readDir(`${folder}/work`)) {
        if (!name.endsWith(".log")) continue;
        const text = await Deno.readTextFile(`${folder}/work/${name}`);
        logs.push(`${name}:\n${text.slice(-1500)}`);
      }
      assert.ok(
        code === 0 && out.trimEnd().endsWith("--- end"),
        `exit ${code}\n${out.slice(-3000)}\n${err.slice(-3000)}\n${logs.join("\n")}`,
      );
      // The session did something: it ranked, restored and moved shards.
      for (const expected of [/"rankingId":"r-1"/, /"accepted":1/, /verified; snapshot \d{15}/]) {
        assert.match(out, expected);
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("a fence that is not run has its reason", () => {
  const skipped = fencesOf(runbook).filter(({ skipped }) => skipped !== undefined);
  for (const { text } of skipped) {
    const commands = text.trim().split("\n");
    for (const command of commands) assert.match(command, /^(systemctl|journalctl|kubectl) /);
  }
});

Deno.test("commands in the text of the runbook are those of the command line", () => {
  const program = buildCommandLine({ out() {}, err() {} });
  const inText = runbook.replaceAll(/^```.*?^```$/gms, "");
  const commands = [...inText.matchAll(/`cairn ((?:[a-z]+ ?)+)([^`]*)`/g)];
  assert.ok(commands.length >= 3);
  for (const [all, words, rest] of commands) {
    let command = program;
    for (const word of words.trim().split(" ")) {
      const next = command.commands.find((each) => each.name() === word);
      if (next === undefined) break;
      command = next;
    }
    assert.notEqual(command, program, `${all}: there is no such command`);
    for (const [option] of rest.matchAll(/--[a-z-]+/g)) {
      assert.ok(command.options.some(({ long }) => long === option), `${all}: ${option}`);
    }
  }
});

/**
 * Goal: every command of the runbook works as it stands.
 *
 * Method: the code fences are one shell session in an empty folder, with `cairn` on the path and
 * free ports; a fence that is not run has the reason before it. Commands in the text must be those
 * of the command line.
 */
import assert from "node:assert/strict";
import { buildCommandLine } from "../../cli/command_line.ts";
import { fencesOf, has, runFences } from "../docs/shell_session.ts";
import { freePort, freePorts } from "../free_ports.ts";

const root = new URL("../../", import.meta.url).pathname;
const runbook = Deno.readTextFileSync(`${root}docs/runbook.md`);

/** The first of three ports in a row. */
function consecutivePorts(): number {
  const [first, second, third] = freePorts(3);
  return second === first + 1 && third === first + 2 ? first : consecutivePorts();
}

Deno.test({
  name: "every command of the runbook works in an empty folder, in order",
  ignore: !has("bash", "curl", "redis-server", "redis-cli"),
  async fn() {
    const run = fencesOf(runbook).filter(({ skipped }) => skipped === undefined);
    assert.ok(run.length >= 12, `${run.length} fences`);
    const out = await runFences(run, {
      REDIS_PORT: String(freePort()),
      LINKS: String(consecutivePorts()),
    });
    // The session did something: it ranked, restored and moved shards.
    for (const expected of [/"rankingId":"r-1"/, /"accepted":1/, /verified; snapshot \d{15}/]) {
      assert.match(out, expected);
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

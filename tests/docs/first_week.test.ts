/**
 * Goal: every command of the guide through a first week works as it stands, and does what the text
 * around it says.
 */
import assert from "node:assert/strict";
import { freePort } from "../free_ports.ts";
import { fencesOf, has, runFences } from "./shell_session.ts";

const guide = await Deno.readTextFile(new URL("../../docs/first_week.md", import.meta.url));

Deno.test({
  name: "every command of the first week works in an empty folder, in order",
  ignore: !has("bash", "curl", "awk"),
  async fn() {
    const fences = fencesOf(guide);
    assert.ok(fences.length >= 14, `${fences.length} fences`);
    assert.ok(fences.every(({ skipped }) => skipped === undefined), "all of them are run");
    const out = await runFences(fences, { SHADOW_PORT: String(freePort()) });
    const answers = [
      /"rankingId":"home-1","items":2}/, // the report of shown items
      /"eventId":"order-17-mug","status":"accepted","acceptedAtMs":[\d.]+}/,
      /"order-18-lamp".*"note":"No ranking that this gateway knows showed item \\"lamp\\" to user \\"bob\\"/,
      /"order-19-lamp".*it came 8 days after its ranking/,
      /Nothing was written/,
      /Imported 3,000 rows/,
      /cairn_joiner_outcomes_total\{outcome="actionsMatched"\} 1/,
    ];
    for (const answer of answers) assert.match(out, answer);
    assert.equal(out.match(/"eventId":"e-1","status":"accepted"/g)?.length, 2, "live and shadow");
    const aucs = [...out.matchAll(/learned: AUC ([\d.]+)/g)].map(([, auc]) => Number(auc));
    assert.equal(aucs.length, 2);
    assert.ok(aucs.every((auc) => auc > 0.6), `the history teaches something: ${aucs}`);
    const last = JSON.parse(/^\{"rankingId".*$/m.exec(out.slice(out.lastIndexOf("--- line")))![0]);
    assert.ok(last.modelVersion > 0 && last.items.every(({ cold }: { cold: boolean }) => !cold));
  },
});

Deno.test("no command in the background gives a variable its default: the session would not see it", () => {
  const commands = fencesOf(guide).flatMap(({ text }) =>
    text.replaceAll("\\\n", " ").split("\n").filter((line) => / & \w+=\$!$/.test(line))
  );
  assert.ok(commands.length >= 4, `${commands.length} commands in the background`);
  for (const command of commands) assert.doesNotMatch(command, /\$\{\w+:?=/);
});

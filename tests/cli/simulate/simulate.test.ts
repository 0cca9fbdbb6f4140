import assert from "node:assert/strict";
import { runCaptured } from "../captured_command.ts";

/** Two virtual seconds of the default scenario. */
const shortScenario = `
import { shippedScenarios } from "${
  import.meta.resolve("../../../simulation/scenarios/shipped.ts")
}";
export const scenario = { ...shippedScenarios[0], name: "short", forMs: 2_000 };
`;

Deno.test("the page and the trace of a campaign show its last run", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [html, perfetto] = [`${folder}/run.html`, `${folder}/run.json`];
    await Deno.writeTextFile(`${folder}/short.ts`, shortScenario);
    const faultless = [
      ...["--scenario", `${folder}/short.ts`, "--faults", "none", "--json", "--out", folder],
    ];
    const { code } = await runCaptured(
      ...["simulate", "--seed", "0x11", "--seeds", "2", ...faultless],
      ...["--html", html, "--perfetto", perfetto],
    );
    assert.equal(code, 0);
    const page = await Deno.readTextFile(html);
    assert.match(page, /<h1>Simulated run 0x12<\/h1>/);
    const { out, err } = await runCaptured("simulate", "--seed", "0x12", ...faultless);
    assert.match(
      err,
      /[\d,]+ trace events \([\d,]+ with the second runs of seeds\), [\d,]+ a second/,
    );
    assert.ok(page.includes(JSON.parse(out).traceHash), "the page is of the run with its seed");
    assert.ok(JSON.parse(await Deno.readTextFile(perfetto)).traceEvents.length > 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

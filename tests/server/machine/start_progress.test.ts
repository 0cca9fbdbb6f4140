import assert from "node:assert/strict";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { StartProgress } from "../../../server/machine/start_progress.ts";

Deno.test("a start that stands still says every ten seconds what it is at, until it ends", async () => {
  const clock = new VirtualClock();
  const [steps, lines]: [string[], string[]] = [[], []];
  const progress = new StartProgress("loading the modules", {
    clock,
    log: ({ level, message, fields }) => lines.push(`${level} ${message} ${fields.seconds}`),
    onStep: (step) => steps.push(step),
  });
  await clock.advance(25_000);
  progress.enter("opening the stores");
  progress.enter("opening the stores");
  await clock.advance(5_000);
  progress.end();
  await clock.advance(60_000);
  assert.deepEqual(steps, ["loading the modules", "opening the stores"]);
  assert.deepEqual(lines, [
    "info starting: loading the modules 10",
    "info starting: loading the modules 20",
    "info starting: opening the stores 30",
  ]);
});

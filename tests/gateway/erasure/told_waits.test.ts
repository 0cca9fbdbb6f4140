import assert from "node:assert/strict";
import { ToldWaits } from "../../../gateway/erasure/told_waits.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

Deno.test("a wait is told when its reason is new, and again after it has ended", () => {
  const telemetry = new TelemetryRecorder();
  const waits = new ToldWaits(telemetry);
  for (const reason of ["full", "full", "away", "away"]) waits.tell("e-1", `e-1: ${reason}`);
  waits.tell("e-2", "e-2: away");
  waits.end("e-1");
  for (const thing of ["e-1", "e-2"]) waits.tell(thing, `${thing}: away`);
  assert.deepEqual(
    telemetry.lines.map(({ message }) => message),
    ["e-1: full", "e-1: away", "e-2: away", "e-1: away"],
  );
});

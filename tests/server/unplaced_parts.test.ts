/** Goal: parts that cannot be placed are told after a while, with the reason, until they are. */
import assert from "node:assert/strict";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { UnplacedParts, unplacedParts } from "../../server/unplaced_parts.ts";

function parts() {
  const clock = new VirtualClock();
  const telemetry = new TelemetryRecorder();
  return { clock, telemetry, unplaced: new UnplacedParts({ clock, telemetry }) };
}

Deno.test("a part is told once a step has failed for five seconds, until it is made", async () => {
  const { clock, telemetry, unplaced } = parts();
  for (let tries = 0; tries < 11; tries++) {
    unplaced.failed("trainer/0", new Error("examples are lost"));
    assert.deepEqual(Object.keys(unplaced.current), tries < 10 ? [] : ["trainer/0"]);
    await clock.advance(500);
  }
  unplaced.failed("joiner/1", new Error("it only waits"));
  assert.deepEqual(unplaced.current, { "trainer/0": "Error: examples are lost" });
  assert.deepEqual(unplacedParts({ host: "a", unplaced: unplaced.current }), [
    { part: "trainer/0", host: "a", reason: "Error: examples are lost" },
  ]);
  assert.equal(telemetry.lines.length, 2, "a reason is logged once");
  unplaced.succeeded("trainer/0");
  assert.deepEqual(unplaced.current, {});
});

Deno.test("a part that went to another host is forgotten", async () => {
  const { clock, unplaced } = parts();
  unplaced.failed("trainer/0", new Error("examples are lost"));
  await clock.advance(5_000);
  assert.deepEqual(Object.keys(unplaced.current), ["trainer/0"]);
  await clock.advance(60_000);
  assert.deepEqual(unplaced.current, {});
  unplaced.failed("trainer/0", new Error("examples are lost"));
  assert.deepEqual(unplaced.current, {}, "it has begun to fail anew");
});

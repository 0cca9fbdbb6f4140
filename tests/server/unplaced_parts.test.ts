/** Goal: parts that cannot be placed are told after a while, with the reason, until they are. */
import assert from "node:assert/strict";
import type { Placement } from "../../mesh/ports/coordination.ts";
import { TelemetryRecorder } from "../../mesh/simulation/telemetry_recorder.ts";
import { VirtualClock } from "../../mesh/simulation/virtual_clock.ts";
import { PartsWithoutHost, UnplacedParts, unplacedParts } from "../../server/unplaced_parts.ts";
import { hostRecord, meshView } from "../mesh/placement/mesh_view.ts";

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
  const record = { host: "a", unplaced: unplaced.current };
  assert.deepEqual(unplacedParts(record, new Set(["trainer/0"])), [
    { part: "trainer/0", host: "a", reason: "Error: examples are lost" },
  ]);
  assert.deepEqual(unplacedParts(record, new Set(["joiner/1"])), [], "it is to be elsewhere");
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

Deno.test("a part that no host has had for a lease is told, until one has it", async () => {
  const { clock } = parts();
  const withoutHost = new PartsWithoutHost(clock, 10_000);
  const owner = { host: "a", incarnation: "a-1" };
  const view = (placement: Placement) => meshView({ placements: { "trainer/0": placement } });
  const unassigned = view({ state: "unassigned", epoch: 0 });
  withoutHost.look(unassigned);
  await clock.advance(9_999);
  withoutHost.look(unassigned);
  assert.deepEqual(withoutHost.current, []);
  await clock.advance(1);
  assert.deepEqual(withoutHost.current, [{
    part: "trainer/0",
    reason: "no host with the role trainer is up, does not drain, and has room for it",
  }]);
  withoutHost.look(view({ state: "restoring", epoch: 1, owner }));
  assert.deepEqual(withoutHost.current, []);
});

Deno.test("a part whose owner is gone is told as one without a host", async () => {
  const { clock } = parts();
  const withoutHost = new PartsWithoutHost(clock, 10_000);
  const look = (...hosts: string[]) =>
    withoutHost.look(meshView({
      hosts: hosts.map((host) => hostRecord(host)),
      placements: {
        "trainer/0": { state: "active", epoch: 1, owner: { host: "a", incarnation: "a-1" } },
        "shard/0": {
          state: "moving",
          phase: "filling",
          epoch: 1,
          owner: { host: "a", incarnation: "a-1" },
          target: { host: "b", incarnation: "b-1" },
        },
      },
    }));
  for (const hosts of [["a", "b"], ["b"]]) {
    look(...hosts);
    await clock.advance(9_999);
    assert.deepEqual(withoutHost.current, []);
  }
  await clock.advance(1);
  assert.deepEqual(withoutHost.current.map(({ reason }) => reason), [
    "no host with the role trainer is up, does not drain, and has room for it",
    "no host with the role shards is up, does not drain, and has room for it",
  ]);
  look("a", "b");
  assert.deepEqual(withoutHost.current, []);
});

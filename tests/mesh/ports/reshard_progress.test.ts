import assert from "node:assert/strict";
import {
  HELD_SHARDING,
  reshardStep,
  SERVED_SHARDING,
  stepText,
  withEarlierReplicas,
} from "../../../mesh/ports/reshard_progress.ts";
import type { Placement } from "../../../mesh/ports/coordination.ts";
import type { ReshardRecord } from "../../../mesh/ports/resharding.ts";
import { hostRecord, meshView } from "../placement/mesh_view.ts";

const owner = { host: "a", incarnation: "a-1" };
const active: Placement = { state: "active", owner, epoch: 2 };
const restoring: Placement = { state: "restoring", owner, epoch: 2 };
const reshard = (
  state: ReshardRecord["state"],
  parts: ReshardRecord["parts"] = "shards",
): ReshardRecord => ({
  parts,
  division: 1,
  from: 2,
  to: 3,
  state,
  planBefore: 0,
});
const serving = (host: string, sharding?: number) =>
  hostRecord(host, {
    roles: ["serving"],
    load: sharding === undefined ? {} : { [SERVED_SHARDING]: sharding },
  });

Deno.test("a mesh that never changed its number of shards is at no step", () => {
  assert.equal(reshardStep(meshView()), undefined);
});

Deno.test("a change that has not begun waits for a snapshot, or is cancelled", () => {
  assert.deepEqual(reshardStep(meshView({ reshard: reshard("asked") })), { kind: "snapshotting" });
  assert.deepEqual(reshardStep(meshView({ reshard: reshard("cancelled") })), { kind: "cancelled" });
});

Deno.test("training stands still until every shard and every trainer is there", () => {
  const none: Placement = { state: "unassigned", epoch: 2 };
  const placements = { "shard/0": restoring, "shard/1": none, "trainer/0": restoring };
  assert.deepEqual(reshardStep(meshView({ reshard: reshard("begun"), sharding: 1, placements })), {
    kind: "restoring",
    shards: 2,
    trainers: 1,
    joiners: 0,
  });
});

Deno.test("a change is done when every serving host has told that it serves the new shards", () => {
  const placements = { "shard/0": active, "trainer/0": active };
  const at = (...hosts: ReturnType<typeof serving>[]) =>
    reshardStep(meshView({ reshard: reshard("begun"), sharding: 1, placements, hosts }));
  const step = at(serving("e1", 1), serving("e2", 0), serving("e3"));
  assert.deepEqual(step, { kind: "serving", hosts: ["e2", "e3"] });
  assert.deepEqual(at(serving("e1", 1), serving("e2", 1)), { kind: "done" });
});

Deno.test("a change of trainers is done when each of them reads, whatever shards and scorers do", () => {
  const at = (trainer: Placement) =>
    reshardStep(meshView({
      reshard: reshard("begun", "trainers"),
      dealing: 1,
      placements: { "shard/0": restoring, "trainer/0": trainer },
      hosts: [serving("e1")],
    }));
  assert.deepEqual(at(restoring), { kind: "restoring", shards: 0, trainers: 1, joiners: 0 });
  assert.deepEqual(at(active), { kind: "done" });
});

Deno.test("the words for a step name only the parts that are not ready", () => {
  const text = (shards: number, trainers: number, joiners: number) =>
    stepText({ kind: "restoring", shards, trainers, joiners });
  assert.equal(text(2, 1, 0), "2 shards and 1 trainer are not ready yet");
  assert.equal(text(1, 0, 0), "1 shard is not ready yet");
  assert.equal(text(0, 2, 1), "1 joiner and 2 trainers are not ready yet");
});

Deno.test("a serving host in the mesh that has said nothing may keep earlier replicas", () => {
  const keeps = (host: string, sharding: number) =>
    hostRecord(host, { roles: ["serving"], load: { [HELD_SHARDING]: sharding } });
  const late = (...hosts: ReturnType<typeof hostRecord>[]) =>
    withEarlierReplicas(meshView({ sharding: 1, hosts }));
  assert.deepEqual(late(keeps("a", 1), keeps("b", 1), hostRecord("t", { roles: ["shards"] })), []);
  assert.deepEqual(late(keeps("a", 1), keeps("b", 0)), ["b"]);
  assert.deepEqual(late(serving("a"), keeps("b", 1)), ["a"]);
});

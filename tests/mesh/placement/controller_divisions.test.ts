/** Changes of the numbers of shards, trainers and partitions. */
import assert from "node:assert/strict";
import type { PlacedKey, Placement } from "../../../mesh/ports/coordination.ts";
import { Controller } from "../../../mesh/placement/controller.ts";
import { active, endOf, options, placesOf, plan, stepsOf } from "./controlled_steps.ts";
import { hostRecord, meshView } from "./mesh_view.ts";

Deno.test("no shard moves while a change of their number is asked for, and lost ones are restored", () => {
  const reshard = {
    parts: "shards",
    division: 1,
    from: 2,
    to: 4,
    state: "asked",
    planBefore: 0,
  } as const;
  const placements = { "shard/0": active("a"), "shard/1": active("a") };
  assert.deepEqual(stepsOf({ placements, reshard }, { balances: true }), []);
  assert.deepEqual(stepsOf({ placements, reshard, plan: plan() }), []);
  const lost = { "shard/0": active("a"), "shard/1": active("c") };
  assert.deepEqual(placesOf(stepsOf({ placements: lost, reshard })), { "shard/1": "(b)" });
});

Deno.test("shards move while a change of the number of trainers is asked for", () => {
  const placements = { "shard/0": active("a"), "shard/1": active("a") };
  const reshard = {
    parts: "trainers",
    division: 1,
    from: 1,
    to: 2,
    state: "asked",
    planBefore: 0,
  } as const;
  const steps = stepsOf({ placements, reshard }, { balances: true });
  assert.deepEqual(placesOf(steps), { "shard/0": "a>b" });
});

Deno.test("the end of a change of a number is recorded once all its parts are there", () => {
  const reshard = {
    parts: "trainers",
    division: 1,
    from: 1,
    to: 2,
    state: "begun",
    planBefore: 0,
  } as const;
  const placements = { "shard/0": active("a"), "trainer/0": active("a"), "trainer/1": active("b") };
  const end = { kind: "endReshard", change: { parts: "trainers", division: 1 } };
  assert.deepEqual(stepsOf({ placements, reshard }), [end]);
  assert.deepEqual(stepsOf({ placements, reshard: { ...reshard, state: "done" } }), []);
  const lost = { ...placements, "trainer/1": { state: "unassigned", epoch: 2 } as const };
  assert.ok(!stepsOf({ placements: lost, reshard }).some(({ kind }) => kind === "endReshard"));
});

Deno.test("a plan of an earlier dealing moves no trainer", () => {
  const moves = [{ key: "trainer/0", from: "a", to: "b" }] as const;
  const placements = { "trainer/0": active("a") };
  assert.deepEqual(placesOf(stepsOf({ placements, plan: plan({ moves }) })), {
    "trainer/0": "(b)",
  });
  const [end] = stepsOf({ placements, plan: plan({ moves }), dealing: 1 });
  assert.deepEqual(endOf(end), { state: "incomplete" });
});

Deno.test("the shards of a new sharding are spread by an even share of the rows before", () => {
  const loads = { "shard/0.rows": 10, "shard/0.bytes": 800 * 2 ** 20 };
  const hosts = [
    hostRecord("a", { load: loads, capacityBytes: 2 ** 30 }),
    hostRecord("b", { capacityBytes: 2 ** 29 }),
  ];
  const controller = new Controller(options);
  controller.observe(meshView({ nowMs: 0, hosts, placements: { "shard/0": active("a") } }));
  const none: Placement = { state: "unassigned", epoch: 2 };
  const placements = Object.fromEntries(
    [0, 1, 2, 3].map((shard) => [`shard/${shard}`, none]),
  ) as Record<PlacedKey, Placement>;
  const empty = hosts.map((each) => ({ ...each, load: {} }));
  const [step] = controller.observe(meshView({ hosts: empty, placements, sharding: 1 }));
  assert.ok(step.kind === "place" && step.rewind);
  const onB = step.changes.filter(({ next }) =>
    next.state === "restoring" && next.owner.host === "b"
  );
  // Each has 200 MiB: b has room for two, and is filled to the same share as a by one.
  assert.equal(onB.length, 1);
});

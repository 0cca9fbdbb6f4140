import assert from "node:assert/strict";
import fc from "fast-check";
import type { PlacedKey, Placement } from "../../../mesh/ports/coordination.ts";
import {
  decisionsOf,
  movesOf,
  type PartDecision,
  planMesh,
} from "../../../mesh/placement/mesh_plan.ts";
import { estimateMoves } from "../../../mesh/placement/move_time.ts";
import { isSettled } from "../../../mesh/placement/placement_plan.ts";
import { hostRecord, meshView, type ViewParts } from "./mesh_view.ts";

const active = (host: string): Placement => ({
  state: "active",
  owner: { host, incarnation: `${host}-1` },
  epoch: 1,
});

function reasonOf(parts: ViewParts, key: PlacedKey): string {
  const found = decisionsOf(planMesh(meshView(parts), 2)).find((each) => each.key === key);
  assert.ok(found, `${key} has a decision`);
  return found.decision.reason;
}

Deno.test("joiners and trainers are evened out by their number, each kind alone", () => {
  const placements = {
    "events/0": active("a"),
    "events/1": active("a"),
    "trainer/0": active("a"),
    "trainer/1": active("b"),
  };
  assert.deepEqual(movesOf(planMesh(meshView({ placements }), 2)), [
    { key: "events/0", from: "a", to: "b" },
  ]);
  assert.match(reasonOf({ placements }, "events/0"), /2 joiners on a and 0 joiners on b/);
  assert.match(reasonOf({ placements }, "trainer/0"), /the trainers are shared out evenly/);
});

Deno.test("a joiner or trainer leaves a draining host, with a reason in its own words", () => {
  const placements = { "trainer/0": active("a"), "events/0": active("a") };
  const hosts = [
    hostRecord("a", { state: "draining" }),
    hostRecord("b", { roles: ["shards", "trainer"] }),
  ];
  assert.equal(
    reasonOf({ hosts, placements }, "trainer/0"),
    "a is draining; b has the fewest trainers (0 before)",
  );
  assert.equal(
    reasonOf({ hosts, placements }, "events/0"),
    "a is draining, and no other host that is up has the role joiner",
  );
});

Deno.test("an odd joiner stays, and joiners beyond the limit wait", () => {
  const of = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`events/${i}`, active("a")]),
    ) as Record<PlacedKey, Placement>;
  const odd = { ...of(2), "events/2": active("b") } as Record<PlacedKey, Placement>;
  assert.deepEqual(movesOf(planMesh(meshView({ placements: odd }), 2)), []);
  assert.match(reasonOf({ placements: odd }, "events/0"), /no move makes the numbers of joiners/);
  const plan = planMesh(meshView({ placements: of(8) }), 2);
  const waits = decisionsOf(plan).filter(({ decision }) => decision.kind === "waits");
  assert.deepEqual([movesOf(plan).length, waits.length], [2, 2]);
  assert.match(waits[0].decision.reason, /at most 2 joiners move at a time/);
});

Deno.test("a plan takes the time of its bytes, or of its joiners and trainers in turn", () => {
  const moves = (key: PlacedKey, bytes = 0): PartDecision => ({
    key,
    decision: { kind: "moves", shard: 0, from: "a", to: "b", rows: 0, bytes, reason: "" },
  });
  const shards = [moves("shard/0", 80 * 2 ** 20), moves("shard/1", 80 * 2 ** 20)];
  assert.equal(estimateMoves([], 2), 0);
  assert.equal(estimateMoves(shards, 1), 4_000);
  assert.equal(estimateMoves(shards, 2), 2_000);
  const readers = [moves("events/0"), moves("events/1"), moves("trainer/0")];
  assert.equal(estimateMoves(readers, 1), 2 * estimateMoves(readers, 2));
  assert.equal(estimateMoves([...shards, ...readers], 2), 2_000);
});

Deno.test("a plan without a limit that is carried out leaves nothing to move", () => {
  const host = fc.constantFrom("a", "b", "c");
  const some = fc.array(host, { minLength: 1, maxLength: 9 });
  fc.assert(fc.property(some, some, some, (shards, events, trainers) => {
    const placements = new Map<PlacedKey, Placement>();
    shards.forEach((name, i) => placements.set(`shard/${i}`, active(name)));
    events.forEach((name, i) => placements.set(`events/${i}`, active(name)));
    trainers.forEach((name, i) => placements.set(`trainer/${i}`, active(name)));
    const hosts = ["a", "b", "c"].map((name) => hostRecord(name));
    const view = () =>
      meshView({
        hosts,
        placements: Object.fromEntries(placements) as Record<PlacedKey, Placement>,
      });
    const plan = planMesh(view(), Infinity);
    assert.equal(decisionsOf(plan).length, placements.size);
    for (const { key, from, to } of movesOf(plan)) {
      const placement = placements.get(key);
      assert.ok(placement?.state === "active" && placement.owner.host === from);
      placements.set(key, active(to));
    }
    for (const each of planMesh(view(), Infinity).values()) assert.ok(isSettled(each));
  }));
});

Deno.test("a shard whose new owner has not told its size counts as much as the others", () => {
  const sizes = (...shards: readonly number[]) =>
    Object.fromEntries(shards.map((shard) => [`shard/${shard}.bytes`, 2 ** 28]));
  const hosts = [
    hostRecord("a", { load: sizes(0, 1) }),
    hostRecord("b"), // it has taken two shards a moment ago
  ];
  const placements = {
    "shard/0": active("a"),
    "shard/1": active("a"),
    "shard/2": active("b"),
    "shard/3": active("b"),
  };
  const plan = planMesh(meshView({ hosts, placements }), 2);
  assert.deepEqual(movesOf(plan), []);
  assert.deepEqual(plan.get("shard")?.hosts.map(({ bytesAfter }) => bytesAfter), [
    2 ** 29,
    2 ** 29,
  ]);
});

Deno.test("the loads after a plan are those with the moves that wait for their turn", () => {
  const placements = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`shard/${i}`, active("a")]),
  ) as Record<PlacedKey, Placement>;
  const plan = planMesh(meshView({ placements }), 2).get("shard");
  assert.equal(plan?.shards.filter(({ kind }) => kind === "waits").length, 2);
  assert.deepEqual(plan?.hosts.map(({ shardsAfter }) => shardsAfter), [4, 4]);
});

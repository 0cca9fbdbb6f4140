/**
 * Goal: a mesh that changes its number of shards serves the new ones, also where hosts die
 * meanwhile. The checkers of every run compare rows, updates and freshness.
 */
import assert from "node:assert/strict";
import { simulate, sometimes } from "../../../simulation/mod.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";
import { meshShop, sixHosts, twoHosts } from "../../../simulation/scenarios/mesh_shop.ts";
import { visitShop } from "../../../simulation/scenarios/shop.ts";

/** The shop under these faults; `seen` are actors that must have handled a message. */
async function reshards(
  faults: readonly Fault[],
  seen: readonly string[],
  hosts = twoHosts,
): Promise<void> {
  const simulation = await simulate({
    seed: 11,
    mesh: meshShop(hosts),
    faults,
    forMs: 12_000,
    healMs: 60_000,
    workload: visitShop,
    shrinkRunsMax: 0,
    checks: () => seen.map((address) => sometimes(address, ({ actor }) => actor === address)),
  });
  simulation.assertPassed();
  assert.deepEqual(simulation.missed, []);
}

Deno.test("a mesh goes to more shards and to fewer, and serves them", () =>
  reshards([
    { kind: "reshardMesh", atMs: 3_000, parts: "shards", to: 7 },
    { kind: "reshardMesh", atMs: 8_000, parts: "shards", to: 3 },
  ], [
    "embedding_shard/6#1",
    "serving_replica/6#1@edge",
    "embedding_shard/2#2",
    "serving_replica/2#2@edge",
  ]));

for (const host of ["learn-1", "table-1", "edge-1"]) {
  Deno.test(`a mesh changes its number of shards although ${host} dies in the middle`, () =>
    reshards(
      [
        { kind: "reshardMesh", atMs: 4_000, parts: "shards", to: 6 },
        { kind: "killHost", atMs: 4_300, host, power: true, downMs: 5_000 },
      ],
      ["embedding_shard/5#1", "serving_replica/5#1@edge-1"],
      sixHosts,
    ));
}

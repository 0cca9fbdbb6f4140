/**
 * Goal: a mesh that changes its number of partitions loses no event and learns from each once, also
 * where hosts die meanwhile. The checkers of every run join the event log by themselves, through
 * all partitionings, and compare each example.
 */
import assert from "node:assert/strict";
import { simulate, sometimes } from "../../../simulation/mod.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";
import { meshShop, sixHosts } from "../../../simulation/scenarios/mesh_shop.ts";
import { visitShop } from "../../../simulation/scenarios/shop.ts";

/** The shop with two partitions under these faults; `seen` must have worked meanwhile. */
async function changes(faults: readonly Fault[], seen: readonly string[]): Promise<void> {
  const simulation = await simulate({
    seed: 12,
    mesh: meshShop(sixHosts)
      .replace("joiner:\n", "joiner:\n  partitions: 2\n")
      .replace("trainer: { ", "trainer: { partitions: 2, "),
    faults,
    forMs: 14_000,
    healMs: 60_000,
    workload: visitShop,
    shrinkRunsMax: 0,
    checks: () => seen.map((address) => sometimes(address, ({ actor }) => actor === address)),
  });
  simulation.assertPassed();
  assert.deepEqual(simulation.missed, []);
}

Deno.test("a mesh goes to more partitions and to fewer, and joins in each of them", () =>
  changes([
    { kind: "reshardMesh", atMs: 3_000, parts: "partitions", to: 4 },
    { kind: "reshardMesh", atMs: 7_000, parts: "partitions", to: 1 },
    { kind: "reshardMesh", atMs: 11_000, parts: "partitions", to: 3 },
  ], ["joiner/5", "joiner/6", "joiner/9"]));

for (const host of ["learn-1", "learn-2", "table-1", "edge-1"]) {
  Deno.test(`a mesh changes its number of partitions although ${host} dies in the middle`, () =>
    changes([
      { kind: "reshardMesh", atMs: 4_000, parts: "partitions", to: 3 },
      { kind: "killHost", atMs: 4_150, host, power: true, downMs: 5_000 },
      { kind: "reshardMesh", atMs: 10_000, parts: "partitions", to: 1 },
    ], ["joiner/4"]));
}

Deno.test("a mesh changes its partitions although Redis is away in the middle", () =>
  changes([
    { kind: "reshardMesh", atMs: 4_000, parts: "partitions", to: 3 },
    { kind: "stopRedis", atMs: 4_100, forMs: 3_000 },
    { kind: "reshardMesh", atMs: 10_000, parts: "partitions", to: 2 },
  ], ["joiner/4"]));

Deno.test("a mesh changes partitions and trainers in one step although a host that learns dies in the middle", () =>
  changes([
    { kind: "reshardMesh", atMs: 4_000, parts: "partitions", to: 3, trainers: 3 },
    { kind: "killHost", atMs: 4_150, host: "learn-1", power: true, downMs: 5_000 },
    { kind: "reshardMesh", atMs: 10_000, parts: "partitions", to: 2, trainers: 1 },
  ], ["joiner/4", "trainer/2"]));

Deno.test("partitions, shards and trainers change one after the other", () =>
  changes([
    { kind: "reshardMesh", atMs: 3_000, parts: "partitions", to: 4 },
    { kind: "reshardMesh", atMs: 5_500, parts: "trainers", to: 3 },
    { kind: "reshardMesh", atMs: 8_000, parts: "shards", to: 6 },
    { kind: "reshardMesh", atMs: 11_500, parts: "partitions", to: 3 },
  ], ["joiner/5", "trainer/2"]));

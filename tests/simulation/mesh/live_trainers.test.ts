/**
 * Goal: a mesh that changes its number of trainers goes on learning, also where hosts die
 * meanwhile.
 */
import { meshShop, sixHosts } from "../../../simulation/scenarios/mesh_shop.ts";
import { assertPromisesKept, type ChangedMesh } from "./changed_mesh.ts";

const fourPartitions: ChangedMesh = {
  seed: 12,
  mesh: meshShop(sixHosts)
    .replace("joiner:\n", "joiner:\n  partitions: 2\n")
    .replace("trainer: { ", "trainer: { partitions: 4, "),
  forMs: 14_000,
};

Deno.test("a mesh goes to more trainers and to fewer, and learns from every partition", () =>
  assertPromisesKept(fourPartitions, [
    { kind: "reshardMesh", atMs: 4_000, parts: "trainers", to: 3 },
    { kind: "reshardMesh", atMs: 8_000, parts: "trainers", to: 2 },
    { kind: "reshardMesh", atMs: 11_000, parts: "trainers", to: 4 },
  ], ["trainer/1", "trainer/2", "trainer/3"]));

for (const host of ["learn-1", "learn-2", "table-1", "edge-1"]) {
  Deno.test(`a mesh changes its number of trainers although ${host} dies in the middle`, () =>
    assertPromisesKept(fourPartitions, [
      { kind: "reshardMesh", atMs: 4_000, parts: "trainers", to: 2 },
      { kind: "killHost", atMs: 4_150, host, power: true, downMs: 5_000 },
      { kind: "reshardMesh", atMs: 10_000, parts: "trainers", to: 1 },
    ], ["trainer/1"]));
}

Deno.test("shards and trainers change one after the other", () =>
  assertPromisesKept(fourPartitions, [
    { kind: "reshardMesh", atMs: 4_000, parts: "trainers", to: 2 },
    { kind: "reshardMesh", atMs: 4_050, parts: "shards", to: 6 },
    { kind: "reshardMesh", atMs: 9_000, parts: "trainers", to: 3 },
  ], ["trainer/2", "embedding_shard/5#1"]));

Deno.test("an override changes trainers before those of the change before have begun", () =>
  assertPromisesKept(fourPartitions, [
    { kind: "reshardMesh", atMs: 4_000, parts: "trainers", to: 3 },
    { kind: "pauseHost", atMs: 4_050, host: "learn-2", forMs: 6_000 },
    { kind: "reshardMesh", atMs: 4_500, parts: "trainers", to: 1, overrides: true },
    { kind: "reshardMesh", atMs: 4_700, parts: "trainers", to: 4, overrides: true },
  ], ["trainer/2", "trainer/3"]));

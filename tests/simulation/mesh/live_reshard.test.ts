/**
 * Goal: a mesh that changes its number of shards serves the new ones, also where hosts die
 * meanwhile.
 */
import {
  type HostRoles,
  meshShop,
  sixHosts,
  twoHosts,
} from "../../../simulation/scenarios/mesh_shop.ts";
import { assertPromisesKept, type ChangedMesh } from "./changed_mesh.ts";

const shopOn = (hosts: HostRoles): ChangedMesh => ({
  seed: 11,
  mesh: meshShop(hosts),
  forMs: 12_000,
});

Deno.test("a mesh goes to more shards and to fewer, and serves them", () =>
  assertPromisesKept(shopOn(twoHosts), [
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
    assertPromisesKept(
      shopOn(sixHosts),
      [
        { kind: "reshardMesh", atMs: 4_000, parts: "shards", to: 6 },
        { kind: "killHost", atMs: 4_300, host, power: true, downMs: 5_000 },
      ],
      ["embedding_shard/5#1", "serving_replica/5#1@edge-1"],
    ));
}

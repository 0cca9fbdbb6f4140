/** Goal: a snapshotter whose place another host has begins no snapshot. */
import assert from "node:assert/strict";
import type { Coordination } from "../../mesh/ports/coordination.ts";
import { SnapshotFence } from "../../server/snapshot_fence.ts";
import { meshView } from "../mesh/placement/mesh_view.ts";

/** A fence over a mesh whose first trainer is placed under this epoch. */
function fenceAt(epoch: number): SnapshotFence {
  const owner = { host: "a", incarnation: "a-1" };
  const view = {
    ...meshView({}),
    placements: new Map([["trainer/0", { state: "active", epoch, owner }]]),
  };
  const fence = new SnapshotFence();
  fence.attach({ read: () => Promise.resolve(view) } as unknown as Coordination);
  return fence;
}

Deno.test("a snapshot begins under the present epoch of the first trainer alone", async () => {
  await assert.rejects(fenceAt(8).begin(7), /another host takes the snapshots by now/);
  assert.ok(await (await fenceAt(7).begin(7)).isCurrent());
});

Deno.test("a snapshotter that no store has placed begins one under any epoch", async () => {
  assert.ok(await (await fenceAt(7).begin(undefined)).isCurrent());
});

Deno.test("without the store of the mesh no snapshot begins", async () => {
  await assert.rejects(new SnapshotFence().begin(1), /not in contact with the Redis server/);
});

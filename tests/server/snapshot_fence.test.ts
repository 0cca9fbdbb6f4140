/**
 * Goal: a snapshotter whose place another host has begins no snapshot, and a snapshot puts the mark
 * of the mesh into a store that was emptied.
 */
import assert from "node:assert/strict";
import type { Coordination, HostRecord, SnapshotOwners } from "../../mesh/ports/coordination.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { listMarks, putMark } from "../../records/mesh_mark.ts";
import { manifestName } from "../../records/snapshot_manifest.ts";
import { HostBlobs } from "../../server/host_blobs.ts";
import { SnapshotFence } from "../../server/snapshot_fence.ts";
import { hostRecord, meshView } from "../mesh/placement/mesh_view.ts";

const OLDEST = "snapshots/000000000000001";

const run = { host: "a", incarnation: "a-1" };

function hostBlobs(blobs: MemoryBlobStore): HostBlobs {
  return new HostBlobs({ blobs, place: "storage.path", run });
}

interface FenceParts {
  readonly blobs?: MemoryBlobStore;
  /** Whether no owner is lost while a snapshot is taken. */
  readonly isCurrent?: boolean;
  /** Whether the store is away after it. */
  readonly isRefused?: boolean;
  /** The hosts of the mesh. */
  readonly hosts?: readonly HostRecord[];
}

/** A fence over a mesh whose first trainer is placed under this epoch. */
function fenceAt(
  epoch: number,
  { blobs = new MemoryBlobStore(), isCurrent = true, isRefused = false, hosts }: FenceParts = {},
): SnapshotFence {
  const view = meshView({ ...(hosts && { hosts }) });
  const read = () =>
    Promise.resolve({
      ...view,
      identity: { ...view.identity, blobsMark: "mark-1" },
      placements: new Map([["trainer/0", { state: "active", epoch, owner: run }]]),
    });
  const fence = new SnapshotFence(hostBlobs(blobs), run);
  const publishManifest = () => Promise.resolve();
  const recordOldestSnapshot = (oldest: string, owners: SnapshotOwners) => {
    assert.deepEqual([oldest, owners], [OLDEST, { generation: 0, epochs: { "trainer/0": epoch } }]);
    return isRefused ? Promise.reject(new Error("no answer")) : Promise.resolve(isCurrent);
  };
  fence.attach({ read, publishManifest, recordOldestSnapshot } as unknown as Coordination);
  return fence;
}

Deno.test("a snapshot begins under the present epoch of the first trainer alone", async () => {
  await assert.rejects(fenceAt(8).begin(7), /another host takes the snapshots by now/);
  assert.ok(await (await fenceAt(7).begin(7)).recordOldest(OLDEST));
});

Deno.test("a snapshotter that no store has placed begins one under any epoch", async () => {
  assert.ok(await (await fenceAt(7).begin(undefined)).recordOldest(OLDEST));
});

Deno.test("older snapshots stay where an owner was lost or the store does not answer", async () => {
  for (const parts of [{ isCurrent: false }, { isRefused: true }]) {
    assert.equal(await (await fenceAt(7, parts).begin(7)).recordOldest(OLDEST), false);
  }
});

Deno.test("a host that was removed or replaced begins none", async () => {
  for (const hosts of [[hostRecord("b")], [hostRecord("a", { incarnation: "a-2" })]]) {
    await assert.rejects(fenceAt(7, { hosts }).begin(7), /this host was removed from the mesh/);
  }
});

Deno.test("without the store of the mesh no snapshot begins", async () => {
  await assert.rejects(
    new SnapshotFence(hostBlobs(new MemoryBlobStore()), run).begin(1),
    /not in contact with the Redis server/,
  );
});

Deno.test("a published snapshot marks the store for its mesh", async () => {
  const blobs = new MemoryBlobStore();
  const publication = await fenceAt(7, { blobs }).begin(7);
  assert.deepEqual(await listMarks(blobs), []);
  await publication.publish("snapshots/000000000000001");
  assert.deepEqual(await listMarks(blobs), [{ mesh: meshView({}).identity.mesh, mark: "mark-1" }]);
});

Deno.test("no snapshot is published into the store of another mesh", async () => {
  const blobs = new MemoryBlobStore();
  const publication = await fenceAt(7, { blobs }).begin(7);
  await putMark(blobs, { mesh: "another", mark: "mark-2" }, "b");
  await publication.publish("snapshots/000000000000001"); // the other one has no snapshot
  assert.equal((await listMarks(blobs)).length, 1);
  await putMark(blobs, { mesh: "another", mark: "mark-2" }, "b");
  await blobs.put(manifestName("snapshots/000000000000002"), new Uint8Array());
  await assert.rejects(publication.publish("snapshots/000000000000003"), {
    name: "OtherBlobsError",
  });
});

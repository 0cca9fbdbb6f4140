/**
 * The way back to a snapshot of a trainer that has partitions which the snapshot lacks.
 */
import assert from "node:assert/strict";
import { wayBackOf } from "../../../actors/trainer/resume_point.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import {
  FORMAT,
  manifestName,
  pinSnapshot,
  type SnapshotManifest,
  writeManifest,
} from "../../../records/snapshot_manifest.ts";

const OLDER = "snapshots/000000000000001";
const NEWEST = "snapshots/000000000000002";
const ADDED = { second: 1, present: 1 };

function manifest(name: string, sequence: number): SnapshotManifest {
  const checkpoint = { name: `${name}/trainer/0`, bytes: 1, checksum: 1 };
  const part = { source: gradientSource(0), partition: 0, sequence, offset: 1 };
  return {
    format: FORMAT,
    name,
    atMs: sequence,
    trainers: [{ ...part, learnedThroughMs: 0, checkpoint }],
    shards: [],
  };
}

async function twoSnapshots() {
  const blobs = new MemoryBlobStore();
  await writeManifest(blobs, manifest(OLDER, 10));
  await writeManifest(blobs, manifest(NEWEST, 20));
  return blobs;
}

Deno.test("a trainer of added partitions goes back to the newest snapshot and keeps it", async () => {
  const blobs = await twoSnapshots();
  const way = await wayBackOf(blobs, { partitions: [1], partitionedFrom: ADDED }, () => undefined);
  assert.deepEqual(way, [{ partition: 1, sequence: 0 }]);
  assert.notEqual(await blobs.get(manifestName(NEWEST)), undefined);
});

Deno.test("a snapshot that was gone back to is given up, also by a trainer of added partitions", async () => {
  const blobs = await twoSnapshots();
  const options = { partitions: [0, 1], partitionedFrom: ADDED };
  const way = await wayBackOf(blobs, options, (partition) => partition === 0 ? 20 : 0);
  assert.deepEqual(way, [{ partition: 0, sequence: 10 }, { partition: 1, sequence: 0 }]);
  assert.equal(await blobs.get(manifestName(NEWEST)), undefined);
});

Deno.test("no trainer goes back to a pinned snapshot, or to one that the mesh does not keep", async () => {
  const pinned = await twoSnapshots();
  await pinSnapshot(pinned, OLDER);
  const old = await twoSnapshots();
  const ownBlobs = { place: "storage.path (/data)", oldestSnapshot: NEWEST };
  for (const [blobs, options] of [[pinned, {}], [old, { ownBlobs }]] as const) {
    const way = await wayBackOf(blobs, { partitions: [0], ...options }, () => 20);
    assert.deepEqual(way, [{ partition: 0, sequence: 20 }]);
    assert.notEqual(await blobs.get(manifestName(NEWEST)), undefined);
  }
});

Deno.test("a trainer finds no way back in the folder of a volume that is gone", async () => {
  const ownBlobs = { place: "storage.path (/data)", mark: { mesh: "m", mark: "k" } };
  await assert.rejects(
    wayBackOf(new MemoryBlobStore(), { partitions: [0], ownBlobs }, () => undefined),
    { name: "OtherBlobsError" },
  );
});

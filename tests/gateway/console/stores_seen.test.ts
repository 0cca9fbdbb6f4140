/** Goal: snapshots and examples put aside are listed, and a damaged list is said, not hidden. */
import assert from "node:assert/strict";
import { storesSeen } from "../../../gateway/console/stores_seen.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { EMPTY_QUARANTINE, withRefused, writeQuarantine } from "../../../records/quarantine.ts";
import { FORMAT, pinSnapshot, writeManifest } from "../../../records/snapshot_manifest.ts";

Deno.test("snapshots are listed newest first, and pinned ones are marked", async () => {
  const blobs = new MemoryBlobStore();
  for (const [name, atMs] of [["snapshots/000000000000001", 1], ["snapshots/000000000000002", 2]]) {
    await writeManifest(blobs, {
      format: FORMAT,
      name: String(name),
      atMs: Number(atMs),
      trainers: [],
      shards: [],
    });
  }
  await pinSnapshot(blobs, "snapshots/000000000000001");
  const { snapshots, putAside, failures } = await storesSeen(blobs);
  assert.deepEqual(
    snapshots.map(({ name, atMs, isPinned }) => [name, atMs, isPinned]),
    [["000000000000002", 2, false], ["000000000000001", 1, true]],
  );
  assert.deepEqual([putAside, failures], [[], []]);
});

Deno.test("examples put aside of all trainers are listed newest first and counted", async () => {
  const blobs = new MemoryBlobStore();
  const row = (number: number, refusedAtMs: number) => ({
    row: number,
    refusedAtMs,
    reason: "its loss is not finite",
    atMs: 0,
    labels: [],
    dense: [],
    logSampleRate: "0",
    ids: [],
  });
  const many = Array.from({ length: 30 }, (_, i) => row(i, 100 + i));
  await writeQuarantine(blobs, "trainer/0", withRefused(EMPTY_QUARANTINE, many));
  await writeQuarantine(blobs, "trainer/1", {
    ...EMPTY_QUARANTINE,
    skipped: [{ from: 5, to: 9, skippedAtMs: 500, reason: "went back", version: 1 }],
  });
  const { putAside, putAsideCount } = await storesSeen(blobs);
  assert.equal(putAsideCount, 30);
  assert.deepEqual([putAside.length, putAside[0].rows, putAside[1].rows], [21, "5 to 8", "29"]);
});

Deno.test("a damaged quarantine is named, and the snapshots are still listed", async () => {
  const blobs = new MemoryBlobStore();
  await blobs.put("quarantine/trainer-0.json", new TextEncoder().encode("no JSON"));
  const { failures, snapshots } = await storesSeen(blobs);
  assert.match(failures.join(), /quarantine\/trainer-0.json/);
  assert.deepEqual(snapshots, []);
});

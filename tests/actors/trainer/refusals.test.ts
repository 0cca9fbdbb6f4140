/**
 * The quarantine over the tenures of a trainer: a paused trainer that goes on after its partition
 * has another owner changes nothing that a later trainer reads.
 */
import assert from "node:assert/strict";
import { Refusals } from "../../../actors/trainer/refusals.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import { listQuarantines, readQuarantine } from "../../../records/quarantine.ts";

const source = "trainer/0";
const partitions = [0];
const stretch = (from: number, partition = 0) =>
  new Map([[partition, { from, to: from + 5, reason: "exploded", version: 1 }]]);
const clock = new VirtualClock({ startMs: 1_000 });

const starts = async (blobs: MemoryBlobStore) =>
  (await readQuarantine(blobs, source)).skipped.map(({ from }) => from);

Deno.test("a trainer of a later tenure goes on with the quarantine, and a paused one changes it no more", async () => {
  const blobs = new MemoryBlobStore();
  const paused = await Refusals.open(blobs, clock, { partitions, tenure: 3 });
  await paused.skip(stretch(10));
  const present = await Refusals.open(blobs, clock, { partitions, tenure: 12 });
  assert.deepEqual(present.skippedOf(0).map(({ from }) => from), [10]);
  await paused.skip(stretch(20));
  assert.deepEqual(await starts(blobs), [10]);
  await present.skip(stretch(30));
  await paused.skip(stretch(40));
  assert.deepEqual(await starts(blobs), [10, 30]);
  const restarted = await Refusals.open(blobs, clock, { partitions, tenure: 12 });
  assert.deepEqual(restarted.skippedOf(0).map(({ from }) => from), [10, 30]);
  assert.deepEqual(await listQuarantines(blobs), ["trainer-0"]);
  const next = await Refusals.open(blobs, clock, { partitions, tenure: 13 });
  assert.deepEqual(next.skippedOf(0).map(({ from }) => from), [10, 30]);
  assert.deepEqual(await blobs.list("quarantine/"), ["quarantine/trainer-0@13.json"]);
});

Deno.test("a successor without refused rows is not changed by a paused trainer either", async () => {
  const blobs = new MemoryBlobStore();
  const paused = await Refusals.open(blobs, clock, { partitions, tenure: 1 });
  await Refusals.open(blobs, clock, { partitions, tenure: 2 });
  await paused.skip(stretch(10));
  const restarted = await Refusals.open(blobs, clock, { partitions, tenure: 2 });
  assert.deepEqual(restarted.skippedOf(0), []);
});

Deno.test("one process goes on with the quarantine of the mesh before, and a mesh with that of one process", async () => {
  const blobs = new MemoryBlobStore();
  const alone = await Refusals.open(blobs, clock, { partitions });
  await alone.skip(stretch(10));
  assert.deepEqual(await blobs.list("quarantine/"), ["quarantine/trainer-0.json"]);
  await (await Refusals.open(blobs, clock, { partitions, tenure: 1 })).skip(stretch(20));
  const again = await Refusals.open(blobs, clock, { partitions });
  await again.skip(stretch(30));
  assert.deepEqual(await starts(blobs), [10, 20, 30]);
  const mesh = await Refusals.open(blobs, clock, { partitions, tenure: 2 });
  assert.deepEqual(mesh.skippedOf(0).map(({ from }) => from), [10, 20, 30]);
});

Deno.test("a way back that the store records for one partition alone counts once, however often it is tried", async () => {
  const blobs = new MemoryBlobStore();
  const refusals = await Refusals.open(blobs, clock, { partitions: [0, 1] });
  const stretches = new Map([...stretch(10), ...stretch(20, 1)]);
  const { put } = blobs;
  let isRefusing = true;
  blobs.put = (name, bytes) => {
    if (isRefusing && name.includes("trainer-1")) return Promise.reject(new Error("disk full"));
    return put.call(blobs, name, bytes);
  };
  for (let i = 0; i < 5; i++) await assert.rejects(refusals.skip(stretches), /disk full/);
  assert.ok(refusals.mayGoBack);
  isRefusing = false;
  await refusals.skip(stretches);
  assert.deepEqual([0, 1].map((each) => refusals.skippedOf(each).length), [1, 1]);
});

Deno.test("the quarantines of trainers whose names begin alike are apart", async () => {
  const blobs = new MemoryBlobStore();
  await (await Refusals.open(blobs, clock, { partitions: [1], tenure: 1 })).skip(stretch(1, 1));
  await (await Refusals.open(blobs, clock, { partitions: [11], tenure: 2 })).skip(stretch(2, 11));
  const first = await Refusals.open(blobs, clock, { partitions: [1], tenure: 3 });
  assert.deepEqual(first.skippedOf(1).map(({ from }) => from), [1]);
  assert.deepEqual(await listQuarantines(blobs), ["trainer-11", "trainer-1"]);
});

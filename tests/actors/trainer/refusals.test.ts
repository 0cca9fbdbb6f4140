/**
 * The quarantine over the tenures of a trainer: a paused trainer that goes on after its partition
 * has another owner changes nothing that a later trainer reads.
 */
import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import type { ExampleBatch } from "../../../actors/trainer/example_batch.ts";
import { Refusals } from "../../../actors/trainer/refusals.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { UnfinishedBlobStore } from "../../unfinished_blob_store.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import type { TrainingCheckpoint } from "../../../kernels/dense/training_session.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import {
  listQuarantines,
  type Quarantine,
  readQuarantine,
  ROWS_MAX,
} from "../../../records/quarantine.ts";

const source = "trainer/0";
const partitions = [0];
const stretch = (from: number, partition = 0) =>
  new Map([[partition, { from, to: from + 5, reason: "exploded", version: 1 }]]);
const clock = new VirtualClock({ startMs: 1_000 });
const kernel = BatchKernel.create();

function open(
  blobs: MemoryBlobStore,
  options: { readonly partitions: readonly number[]; readonly tenure?: number },
  exampleLog = new MemoryEventLog({ partitions: 1 }),
): Promise<Refusals> {
  return Refusals.open({ blobs, exampleLog, kernel }, clock, options);
}

const starts = async (blobs: MemoryBlobStore) =>
  (await readQuarantine(blobs, source)).skipped.map(({ from }) => from);

Deno.test("a trainer of a later tenure goes on with the quarantine, and a paused one changes it no more", async () => {
  const blobs = new MemoryBlobStore();
  const paused = await open(blobs, { partitions, tenure: 3 });
  await paused.skip(stretch(10), new Map());
  const present = await open(blobs, { partitions, tenure: 12 });
  assert.deepEqual(present.skippedOf(0).map(({ from }) => from), [10]);
  await paused.skip(stretch(20), new Map());
  assert.deepEqual(await starts(blobs), [10]);
  await present.skip(stretch(30), new Map());
  await paused.skip(stretch(40), new Map());
  assert.deepEqual(await starts(blobs), [10, 30]);
  const restarted = await open(blobs, { partitions, tenure: 12 });
  assert.deepEqual(restarted.skippedOf(0).map(({ from }) => from), [10, 30]);
  assert.deepEqual(await listQuarantines(blobs), ["trainer-0"]);
  const next = await open(blobs, { partitions, tenure: 13 });
  assert.deepEqual(next.skippedOf(0).map(({ from }) => from), [10, 30]);
  assert.deepEqual(await blobs.list("quarantine/"), ["quarantine/trainer-0@13.json"]);
});

Deno.test("a successor without refused rows is not changed by a paused trainer either", async () => {
  const blobs = new MemoryBlobStore();
  const paused = await open(blobs, { partitions, tenure: 1 });
  await open(blobs, { partitions, tenure: 2 });
  await paused.skip(stretch(10), new Map());
  const restarted = await open(blobs, { partitions, tenure: 2 });
  assert.deepEqual(restarted.skippedOf(0), []);
});

Deno.test("one process goes on with the quarantine of the mesh before, and a mesh with that of one process", async () => {
  const blobs = new MemoryBlobStore();
  const alone = await open(blobs, { partitions });
  await alone.skip(stretch(10), new Map());
  assert.deepEqual(await blobs.list("quarantine/"), ["quarantine/trainer-0.json"]);
  await (await open(blobs, { partitions, tenure: 1 })).skip(stretch(20), new Map());
  const again = await open(blobs, { partitions });
  await again.skip(stretch(30), new Map());
  assert.deepEqual(await starts(blobs), [10, 20, 30]);
  const mesh = await open(blobs, { partitions, tenure: 2 });
  assert.deepEqual(mesh.skippedOf(0).map(({ from }) => from), [10, 20, 30]);
});

Deno.test("a way back that the store records for one partition alone counts once, however often it is tried", async () => {
  const blobs = new MemoryBlobStore();
  const refusals = await open(blobs, { partitions: [0, 1] });
  const stretches = new Map([...stretch(10), ...stretch(20, 1)]);
  const { put } = blobs;
  let isRefusing = true;
  blobs.put = (name, bytes) => {
    if (isRefusing && name.includes("trainer-1")) return Promise.reject(new Error("disk full"));
    return put.call(blobs, name, bytes);
  };
  for (let i = 0; i < 5; i++) {
    await assert.rejects(refusals.skip(stretches, new Map()), /disk full/);
  }
  assert.ok(refusals.mayGoBack);
  isRefusing = false;
  await refusals.skip(stretches, new Map());
  assert.deepEqual([0, 1].map((each) => refusals.skippedOf(each).length), [1, 1]);
});

Deno.test("the quarantines of trainers whose names begin alike are apart", async () => {
  const blobs = new MemoryBlobStore();
  await (await open(blobs, { partitions: [1], tenure: 1 })).skip(stretch(1, 1), new Map());
  await (await open(blobs, { partitions: [11], tenure: 2 })).skip(stretch(2, 11), new Map());
  const first = await open(blobs, { partitions: [1], tenure: 3 });
  assert.deepEqual(first.skippedOf(1).map(({ from }) => from), [1]);
  assert.deepEqual(await listQuarantines(blobs), ["trainer-11", "trainer-1"]);
});

/** A log of chunks with one row each. */
async function logOf(...labels: readonly number[]): Promise<MemoryEventLog> {
  const log = new MemoryEventLog({ partitions: 1 });
  for (const [firstRow, label] of labels.entries()) {
    const builder = new ExampleChunkBuilder({
      slots: 1,
      denseWidth: 0,
      tasks: 1,
      schemaFingerprint: 5,
    }, firstRow);
    const features = {
      ids: new Uint32Array(2),
      listOffsets: Uint32Array.of(0, 1),
      dense: new Uint32Array(),
    };
    const values = { logSampleRate: 0, servedPrediction: 0, ranking: 0, atMs: 0 };
    builder.add({ features, row: 0, labels: [label], ...values });
    await log.append(0, [encodeExamples(builder.finish(0))]);
  }
  return log;
}

const progress = (rows: number) => ({ sequence: rows, offset: rows, learnedThroughMs: 0 });

Deno.test("a stretch of rows that the log has lost ends before those that took their numbers", async () => {
  const blobs = new MemoryBlobStore();
  const first = await open(blobs, { partitions }, await logOf(0, 1, 0, 1, 0, 1));
  const passed = new Map([[0, { from: 2, to: 6, reason: "exploded", version: 7 }]]);
  await first.skip(passed, new Map([[0, progress(6)]]));
  const at = async (log: MemoryEventLog, cut: number) => {
    const opened = await open(blobs, { partitions }, log);
    const lost = await opened.giveUpLost(new Map([[0, progress(cut)]]));
    return [lost, opened.skippedOf(0).map(({ from, to }) => [from, to])];
  };
  assert.deepEqual(await at(await logOf(0, 1, 0, 1, 0, 1, 0, 0), 2), [[], [[2, 6]]]);
  const replaced = await logOf(0, 1, 0, 1, 1, 0, 0, 0);
  assert.deepEqual(await at(replaced, 2), [[0], [[2, 2]]], "its snapshot has the rows before 2");
  assert.deepEqual(await at(replaced, 4), [[0], [[2, 4]]]);
  assert.deepEqual(await at(await logOf(0, 1, 0, 1), 2), [[0], [[2, 2]]], "the log ends before");
  assert.deepEqual(await at(replaced, 6), [[], [[2, 6]]], "a snapshot reaches beyond");
});

Deno.test("rows that the log has trimmed after they were learned are not lost", async () => {
  const blobs = new MemoryBlobStore();
  const log = await logOf(0, 1, 0, 1, 0, 1);
  const first = await open(blobs, { partitions }, log);
  const passed = new Map([[0, { from: 2, to: 4, reason: "exploded", version: 7 }]]);
  await first.skip(passed, new Map([[0, progress(4)]]));
  await log.trim(0, 4);
  const opened = await open(blobs, { partitions }, log);
  assert.deepEqual(await opened.giveUpLost(new Map()), [], "there is no snapshot");
  assert.deepEqual(opened.skippedOf(0).map(({ from, to }) => [from, to]), [[2, 4]]);
});

Deno.test("a version stays given up when the log has lost the rows of its stretch", async () => {
  const blobs = new MemoryBlobStore();
  const first = await open(blobs, { partitions }, await logOf(0, 1));
  const passed = new Map([[0, { from: 0, to: 2, reason: "exploded", version: 7 }]]);
  await first.skip(passed, new Map([[0, progress(2)]]));
  const opened = await open(blobs, { partitions }, await logOf(1, 0));
  assert.deepEqual(await opened.giveUpLost(new Map()), [0]);
  const checkpoint = { step: 3, versionBefore: 0 } as unknown as TrainingCheckpoint;
  assert.equal(opened.aboveGivenUp(checkpoint).versionBefore, 5, "3 steps later it is version 8");
});

Deno.test("a trainer deletes what earlier incarnations have left of its quarantine, also in its tenure", async () => {
  const blobs = new UnfinishedBlobStore();
  await open(blobs, { partitions, tenure: 5 });
  const left = ["trainer-0", "trainer-0@4", "trainer-0@5"].map((name) => `quarantine/${name}.json`);
  const others = ["trainer-0@6", "trainer-00", "trainer-1"].map((name) =>
    `quarantine/${name}.json`
  );
  for (const name of [...left, ...others]) blobs.killIn(name);
  await blobs.put(left[1], new TextEncoder().encode("{}"));
  await open(blobs, { partitions, tenure: 5 });
  assert.deepEqual(await blobs.list(""), ["quarantine/trainer-0@5.json"]);
  assert.deepEqual(await blobs.listUnfinished(""), others.sort());
});

/** A refused batch of one row, the `sequence`-th of its partition. */
function refusedBatch(partition: number, sequence: number, id: bigint) {
  const position = { offset: 0, sequence, learnedThroughMs: 0 };
  const batch = {
    ...{ partition, sequence, atMs: 0, before: position, after: position, passed: new Map() },
    features: {
      ...{ rows: 1, ids: BigUint64Array.of(id), listOffsets: Uint32Array.of(0, 1) },
      dense: new Float32Array(),
    },
    ...{ labels: Float32Array.of(1), logSampleRate: new Float32Array(1), endsFlight: false },
    servedPredictions: new Float32Array(1),
  } as ExampleBatch;
  return [batch, [{ part: batch, error: new Error("the loss is not finite") }]] as const;
}

/** Ids of the rows of each stored quarantine. */
async function storedIds(blobs: MemoryBlobStore): Promise<Record<string, string[]>> {
  const stored: Record<string, string[]> = {};
  for (const name of await blobs.list("quarantine/")) {
    const { rows } = JSON.parse(new TextDecoder().decode(await blobs.get(name))) as Quarantine;
    stored[name.slice("quarantine/".length)] = rows.flatMap(({ ids }) => ids);
  }
  return stored;
}

Deno.test("an erasure deletes rows of all partitions, and the quarantines of earlier tenures", async () => {
  const blobs = new MemoryBlobStore();
  const both = { partitions: [0, 1] };
  const log = new MemoryEventLog({ partitions: 2 });
  const paused = await open(blobs, { ...both, tenure: 2 }, log);
  const present = await open(blobs, { ...both, tenure: 3 }, log);
  for (const trainer of [paused, present]) {
    for (const partition of both.partitions) {
      trainer.record(...refusedBatch(partition, 1, 7n));
      trainer.record(...refusedBatch(partition, 2, 8n));
    }
    await trainer.save();
  }
  assert.equal(Object.keys(await storedIds(blobs)).length, 4);
  assert.equal(await present.erase(new Set([7n])), 2);
  assert.deepEqual(await storedIds(blobs), {
    "trainer-0@3.json": ["8"],
    "trainer-1@3.json": ["8"],
  });
  assert.equal(await present.erase(new Set([7n])), 0);
});

Deno.test("an erasure deletes a row that the store alone has", async () => {
  const blobs = new MemoryBlobStore();
  const trainer = await open(blobs, { partitions });
  trainer.record(...refusedBatch(0, 1, 7n));
  await trainer.save();
  for (let row = 0; row < ROWS_MAX; row++) trainer.record(...refusedBatch(0, 2 + row, 8n));
  assert.deepEqual(await storedIds(blobs), { "trainer-0.json": ["7"] });
  await trainer.erase(new Set([7n]));
  assert.deepEqual(await storedIds(blobs), { "trainer-0.json": Array(ROWS_MAX).fill("8") });
});

Deno.test("an erasure lists the store once for the quarantines of all partitions", async () => {
  const blobs = new MemoryBlobStore();
  const all = { partitions: [0, 1, 2, 3], tenure: 3 };
  const trainer = await open(blobs, all, new MemoryEventLog({ partitions: 4 }));
  const lists: string[] = [];
  const list = blobs.list.bind(blobs);
  const listUnfinished = blobs.listUnfinished.bind(blobs);
  blobs.list = (prefix) => (lists.push("list"), list(prefix));
  blobs.listUnfinished = (prefix) => (lists.push("unfinished"), listUnfinished(prefix));
  await trainer.erase(new Set([7n]));
  assert.deepEqual(lists, ["list", "unfinished"]);
});

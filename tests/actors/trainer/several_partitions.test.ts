/** One trainer that reads several partitions of the example log with one dense model. */
import assert from "node:assert/strict";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { ExampleReader } from "../../../actors/trainer/example_reader.ts";
import type { TrainerOptions } from "../../../actors/trainer/options.ts";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";
import { encodeExamples, nextRowOf } from "../../../records/example_chunk.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { Loop } from "../loop.ts";

const SHAPE = { slots: 1, denseWidth: 0, tasks: 1, schemaFingerprint: 5 };

/** Appends a chunk of rows, or an empty one, of an order. */
async function append(
  log: MemoryEventLog,
  partition: number,
  orderedAtMs: number,
  { rows = 1, firstRow = 0, acceptedAtMs = orderedAtMs, acceptedBeforeMs = 0 } = {},
): Promise<void> {
  const builder = new ExampleChunkBuilder(SHAPE, firstRow);
  const features = {
    ids: new Uint32Array(2),
    listOffsets: Uint32Array.of(0, 1),
    dense: new Uint32Array(),
  };
  for (let row = 0; row < rows; row++) {
    const values = { labels: [1], logSampleRate: 0, servedPrediction: 0, ranking: 0, atMs: 0 };
    builder.add({ features, row: 0, ...values });
  }
  const chunk = { ...builder.finish(acceptedAtMs), acceptedBeforeMs, orderedAtMs };
  await log.append(partition, [encodeExamples(chunk)]);
}

function readerOf(
  log: MemoryEventLog,
  { chunksPerRead = 4 }: Partial<Pick<TrainerOptions, "chunksPerRead">> = {},
): ExampleReader {
  const options = {
    ...SHAPE,
    partitions: [0, 1, 2],
    batchRows: 8,
    chunksPerRead,
    rowsWaitingMax: 1_000,
  };
  return new ExampleReader(options as unknown as TrainerOptions, {
    kernel: BatchKernel.create(),
    log,
    telemetry: new TelemetryRecorder(),
    onSkipped: () => {},
  });
}

/** The partitions of the batches that can be taken now. */
async function taken(reader: ExampleReader): Promise<number[]> {
  await reader.read();
  const partitions: number[] = [];
  for (let batch; (batch = reader.take()) !== undefined;) partitions.push(batch.partition);
  return partitions;
}

Deno.test("chunks are taken by their order, whichever partition brings them first", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const reader = readerOf(log);
  const later = async (partition: number, orderedAtMs: number, firstRow = 0) => {
    await append(log, partition, orderedAtMs, { firstRow });
    reader.appended(partition);
    return await taken(reader);
  };
  assert.deepEqual(await later(1, 20), [], "the others may bring earlier chunks");
  assert.deepEqual(await later(2, 30), []);
  assert.deepEqual(await later(0, 10), [0], "the next of partition 0 may come before 20");
  assert.deepEqual(await later(0, 25, 1), [1]);
  assert.deepEqual(await later(1, 27, 1), [0], "partition 0 has not passed 27");
  assert.deepEqual(await later(0, 40, 2), [1], "27 is before 30 of partition 2");
});

Deno.test("of chunks of one order that of the lower partition is taken first", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  for (const partition of [2, 1, 0]) await append(log, partition, 10);
  assert.deepEqual(await taken(readerOf(log)), [0, 1, 2]);
});

Deno.test("partitions without chunks are told apart from those that have passed the order", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const reader = readerOf(log);
  await append(log, 0, 50, { rows: 0 });
  await append(log, 1, 20);
  assert.deepEqual(await taken(reader), []);
  assert.deepEqual(reader.lacking({ isFlightOpen: false }), [{
    partition: 2,
    offset: 0,
    orderedAtMs: 50,
  }]);
  await append(log, 2, 21, { rows: 0 });
  reader.appended(2);
  assert.deepEqual(await taken(reader), [1]);
  assert.deepEqual(
    reader.lacking({ isFlightOpen: false }),
    [],
    "the chunks that wait have no rows",
  );
  assert.deepEqual(
    reader.lacking({ isFlightOpen: true }),
    [{ partition: 1, offset: 1, orderedAtMs: 50 }],
    "batches in flight wait for the chunk after them",
  );
});

Deno.test("one question lets all chunks be taken that were read, although the other clocks are behind", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const reader = readerOf(log);
  for (let row = 0; row < 3; row++) await append(log, 0, 3_600_000 + row, { firstRow: row });
  assert.deepEqual(await taken(reader), []);
  const lacking = reader.lacking({ isFlightOpen: false });
  assert.deepEqual(lacking.map(({ partition }) => partition), [1, 2]);
  for (const { partition, orderedAtMs } of lacking) {
    await append(log, partition, orderedAtMs, { rows: 0 });
    reader.appended(partition);
  }
  assert.deepEqual(await taken(reader), [0, 0, 0]);
});

Deno.test("rows behind a full read of chunks without rows are found, and the others are asked", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const reader = readerOf(log, { chunksPerRead: 1 });
  for (const order of [10, 11, 12]) await append(log, 0, order, { rows: 0 });
  await append(log, 0, 13);
  assert.deepEqual(await taken(reader), []);
  assert.deepEqual(reader.lacking({ isFlightOpen: false }).map(({ partition }) => partition), [
    1,
    2,
  ]);
});

Deno.test("the mark of chunks without rows counts before their turn, and not past rows", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const reader = readerOf(log);
  await append(log, 0, 10, { rows: 0, acceptedAtMs: 5 });
  await append(log, 0, 11, { rows: 0, acceptedAtMs: 7 });
  await append(log, 0, 12, { rows: 1, acceptedAtMs: 9 });
  await taken(reader);
  const beginning = { sequence: 0, offset: 0, learnedThroughMs: 0 };
  assert.deepEqual(reader.settled(0, beginning), { offset: 2, learnedThroughMs: 7 });
  assert.deepEqual(reader.settled(1, beginning), { offset: 0, learnedThroughMs: 0 });
});

Deno.test("the mark before the rows of a chunk counts while the chunk waits for its turn", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const reader = readerOf(log);
  await append(log, 0, 11, { rows: 0, acceptedAtMs: 7 });
  await append(log, 0, 12, { acceptedBeforeMs: 8.5, acceptedAtMs: 9 });
  await append(log, 0, 13, { firstRow: 1, acceptedBeforeMs: 9.5, acceptedAtMs: 10 });
  await taken(reader);
  const beginning = { sequence: 0, offset: 0, learnedThroughMs: 0 };
  assert.deepEqual(reader.settled(0, beginning), { offset: 1, learnedThroughMs: 8.5 });
});

/** Visits whose clicks fall into all partitions. */
async function visit(loop: Loop, from: number, to: number): Promise<number> {
  let acceptedAtMs = 0;
  for (let i = from; i < to; i++) {
    const { rankingId } = await loop.rank(`user-${i % 5}`, [`item-${i % 7}`, "b"]);
    acceptedAtMs = await loop.act(rankingId, `item-${i % 7}`, "click");
    await loop.mesh.advance(30);
  }
  return acceptedAtMs;
}

async function rowsOf(loop: Loop): Promise<number[]> {
  return await Promise.all(
    Array.from({ length: loop.exampleLog.partitions }, async (_, partition) => {
      const last = (await loop.examples(partition)).at(-1);
      return last === undefined ? 0 : nextRowOf(last);
    }),
  );
}

function learnedRows(loop: Loop): number[] {
  return Array.from(
    { length: loop.exampleLog.partitions },
    (_, partition) =>
      loop.mesh.telemetry.value("cairn_trainer_rows_learned", { partition: String(partition) }),
  );
}

for (const pipelined of [false, true]) {
  const how = pipelined ? "with pipelining" : "without pipelining";
  Deno.test(`a click is learned although all other partitions are idle, ${how}`, async () => {
    // Each chunk is full, so that pipelined batches wait for the chunk after them.
    const loop = await Loop.start({ partitions: 5, trainer: { batchRows: 1, pipelined } });
    for (let i = 0; i < 4; i++) {
      const { rankingId } = await loop.rank("user", ["a"]);
      const acceptedAtMs = await loop.act(rankingId, "a", "click");
      await loop.mesh.advance(1_000);
      assert.equal((await loop.trainerStatus()).examples, i + 1);
      assert.equal((await loop.trainerStatus()).learnedThroughMs, acceptedAtMs);
    }
    const before = await Promise.all(
      [0, 1, 2, 3, 4].map((each) => loop.exampleLog.endOffset(each)),
    );
    await loop.mesh.advance(60_000);
    const after = await Promise.all([0, 1, 2, 3, 4].map((each) => loop.exampleLog.endOffset(each)));
    assert.deepEqual(after, before, "an idle loop appends no chunks");
    await loop.stop();
  });
}

Deno.test("a joiner that is away for a while delays the trainer, and nothing is lost", async () => {
  const loop = await Loop.start({ partitions: 3, trainer: { batchRows: 8 } });
  await visit(loop, 0, 10);
  await loop.restart("joiner/0", () => loop.mesh.clock.delay(3_000));
  const acceptedAtMs = await visit(loop, 10, 20);
  await loop.mesh.advance(2_000);
  assert.deepEqual(learnedRows(loop), await rowsOf(loop));
  assert.equal((await loop.feedStatus()).learnedThroughMs, acceptedAtMs);
  await loop.stop();
});

Deno.test("a snapshot has a part of each partition, and one blob of the dense model", async () => {
  const loop = await Loop.start({ partitions: 4, trainers: 2, trainer: { batchRows: 8 } });
  await visit(loop, 0, 20);
  await loop.mesh.advance(1_000);
  await loop.snapshot();
  const [{ trainers }] = await readManifests(loop.blobs);
  const parts = trainers.map(({ source, partition }) => [source, partition]);
  assert.deepEqual(
    parts.toSorted(),
    [0, 1, 2, 3].map((partition) => [`trainer/${partition}`, partition]),
  );
  assert.equal(new Set(trainers.map(({ checkpoint }) => checkpoint.name)).size, 2);
  await loop.stop();
});

Deno.test("another number of trainers goes on where the earlier ones stopped, and learns each row once", async () => {
  let loop = await Loop.start({ partitions: 4, trainers: 2, trainer: { batchRows: 8 } });
  await visit(loop, 0, 20);
  await loop.mesh.advance(1_000);
  await loop.snapshot();
  let version = (await loop.rankerStatus()).modelVersion;
  let visits = 20;
  for (const trainers of [1, 4, 3]) {
    await visit(loop, visits, visits + 10); // behind the snapshot: learned again
    loop = await loop.kill(trainers, { trainers });
    const acceptedAtMs = await visit(loop, visits + 10, visits += 20);
    await loop.mesh.advance(3_000);
    assert.deepEqual(learnedRows(loop), await rowsOf(loop));
    assert.equal((await loop.feedStatus()).learnedThroughMs, acceptedAtMs);
    await loop.snapshot();
    const { modelVersion } = await loop.rankerStatus();
    assert.ok(modelVersion > version, "the served weights are newer than those before");
    version = modelVersion;
  }
  await loop.stop();
});

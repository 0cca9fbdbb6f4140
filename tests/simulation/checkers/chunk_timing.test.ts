import assert from "node:assert/strict";
import type { ExampleChunk } from "../../../records/example_chunk.ts";
import { ChunkTiming, type WrittenChunk } from "../../../simulation/checkers/chunk_timing.ts";
import { joinerOptions } from "../../actors/joiner/records.ts";

const none = new Uint8Array();

function chunkOf(rows: number, more: Partial<ExampleChunk> = {}): ExampleChunk {
  return {
    firstRow: 0,
    rows,
    schemaFingerprint: 5,
    ids: none,
    listOffsets: none,
    dense: none,
    labels: none,
    logSampleRate: none,
    servedPredictions: none,
    atMs: 0,
    acceptedAtMs: 0,
    ...more,
  };
}

/** A joiner with batches of 4 rows and a linger of 10 ms. */
function timing(syncMs = 0): ChunkTiming {
  const watched = new ChunkTiming({ syncMs });
  watched.began(joinerOptions({ batchRows: 4, lingerMs: 10 }), 0);
  return watched;
}

/** A chunk of partition 0 whose row waited for 10 ms. */
function written(offset: number, changes: Partial<WrittenChunk> = {}): WrittenChunk {
  const times = { firstAtMs: 1, lastAtMs: 1, nowMs: 11 };
  return { partition: 0, offset, chunk: chunkOf(1), next: undefined, ...times, ...changes };
}

Deno.test("a small chunk behind one that is not taken must have waited for half a second", () => {
  const watched = timing();
  assert.equal(watched.wrote(written(0)), undefined);
  assert.match(
    watched.wrote(written(1)) ?? "",
    /^has 1 of 4 rows, 0\.0 ms behind its linger, .* 0$/,
  );
  assert.equal(watched.wrote(written(2, { nowMs: 511 })), undefined);
  watched.taken({ kind: "chunksTaken", partition: 0, offset: 2 });
  assert.ok(watched.wrote(written(3)), "chunk 2 is not taken");
  watched.taken({ kind: "chunksTaken", partition: 0, offset: 4 });
  assert.equal(watched.wrote(written(4)), undefined);
});

Deno.test("behind a full chunk the wait begins with that one", () => {
  const watched = timing();
  const full = { chunk: chunkOf(4), firstAtMs: 1, lastAtMs: 100, nowMs: 100 };
  assert.equal(watched.wrote(written(0, full)), undefined);
  assert.equal(watched.wrote(written(1, { firstAtMs: 400, nowMs: 610 })), undefined);
  assert.equal(watched.wrote(written(2, { ...full, lastAtMs: 700, nowMs: 700 })), undefined);
  assert.ok(watched.wrote(written(3, { firstAtMs: 800, nowMs: 1_000 })));
});

Deno.test("a full chunk, and one before an erasure or the end, need not wait", () => {
  const watched = timing();
  assert.equal(watched.wrote(written(0)), undefined);
  assert.equal(watched.wrote(written(1, { chunk: chunkOf(4) })), undefined);
  assert.equal(watched.wrote(written(2, { next: chunkOf(0, { forget: [] }) })), undefined);
  assert.equal(watched.wrote(written(4, { next: chunkOf(0, { ended: true }) })), undefined);
  assert.equal(watched.wrote(written(5, { partition: 1 })), undefined);
  assert.equal(watched.wrote(written(6, { chunk: chunkOf(0) })), undefined, "no rows");
});

Deno.test("a joiner need not wait for chunks of one before", () => {
  const watched = timing();
  assert.equal(watched.wrote(written(0)), undefined);
  watched.began(joinerOptions({ batchRows: 4, lingerMs: 10 }), 20);
  const laterDurable = written(1, { nowMs: 30 });
  assert.equal(watched.wrote(laterDurable), undefined);
  assert.equal(watched.wrote(written(2, { firstAtMs: 21, nowMs: 31 })), undefined);
  assert.ok(watched.wrote(written(3, { firstAtMs: 32, nowMs: 42 })), "chunk 2 is its own");
});

Deno.test("a chunk has the rows of a batch at most", () => {
  assert.match(timing().wrote(written(0, { chunk: chunkOf(5) })) ?? "", /^has 5 rows; .* 4$/);
});

Deno.test("without faults and slow syncs, most chunks wait for no trainer", () => {
  const late = (watched: ChunkTiming, nowMs = 511) => {
    for (let offset = 0; offset < 30; offset++) watched.wrote(written(offset, { nowMs }));
    return watched.atEnd();
  };
  assert.match(late(timing()) ?? "", /^half of the chunks .* 500 ms or more/);
  assert.equal(late(timing(), 11), undefined);
  assert.equal(late(timing(20)), undefined);
  const struck = timing();
  struck.fault();
  assert.equal(late(struck), undefined);
});

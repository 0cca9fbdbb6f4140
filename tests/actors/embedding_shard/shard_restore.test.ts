import assert from "node:assert/strict";
import fc from "fast-check";
import { restoreNewest, sharesIds } from "../../../actors/embedding_shard/shard_restore.ts";
import type { EmbeddingShardOptions } from "../../../actors/embedding_shard/options.ts";
import { FORMAT, manifestName, type SnapshotManifest } from "../../../records/snapshot_manifest.ts";
import {
  encodePart,
  type ShardChunkPart,
  type ShardHeader,
  writePart,
} from "../../../records/snapshot_parts.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { ClassTables, type ClassTablesOptions } from "../../../kernels/embedding/class_tables.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

const ROWS = 5000;
const NAME = "snapshots/000000000000001";

function tablesOf(overrides: Partial<ClassTablesOptions>): ClassTablesOptions {
  return {
    seed: 1,
    classes: [{
      slices: [{
        name: "embeddings",
        dim: 8,
        initializer: { kind: "zeros" },
        optimizer: { kind: "sgd", learningRate: 0.1 },
      }],
      slots: [],
    }],
    bytesMax: 4 << 20,
    atLimit: "evictLeastRecentlyUsed",
    ...overrides,
  };
}

/** The snapshot of one shard with {@link ROWS} rows. */
async function snapshot(
  { format = FORMAT as number, overrides = {} as Partial<ClassTablesOptions> } = {},
): Promise<MemoryBlobStore> {
  const blobs = new MemoryBlobStore();
  const kernel = BatchKernel.create();
  const tables = ClassTables.create(tablesOf(overrides));
  const ids = BigUint64Array.from({ length: ROWS }, (_, i) => (BigInt(i % 2) << 48n) | BigInt(i));
  const starts = Uint32Array.of(0, ROWS);
  const counts = new Uint32Array(ROWS).fill(1);
  tables.applyGradients({ ids, starts }, new Float32Array(ROWS * 8), counts, 1);
  const head: ShardHeader = {
    slotNames: { 0: "mood", 1: "item" },
    classes: tables.snapshots.begin(),
  };
  const header = encodePart(head);
  const chunks: ShardChunkPart[] = [];
  for (let chunk; (chunk = tables.snapshots.nextChunk(1000)) !== undefined;) {
    const part = await writePart(blobs, kernel, `${NAME}/chunk-${chunks.length}`, chunk.bytes);
    chunks.push({ ...part, holds: chunk.holds, rows: chunk.rows, class: chunk.class });
  }
  const shards = [{
    shard: 0,
    earlier: [],
    cut: {},
    header: await writePart(blobs, kernel, `${NAME}/h`, header),
    chunks,
  }];
  const manifest = { format, name: NAME, atMs: 1, trainers: [], shards } as SnapshotManifest;
  await blobs.put(manifestName(NAME), new TextEncoder().encode(JSON.stringify(manifest)));
  return blobs;
}

async function restored(blobs: MemoryBlobStore, overrides: Partial<ClassTablesOptions> = {}) {
  const telemetry = new TelemetryRecorder();
  const slotNames = { 1: "item", 2: "genre" };
  const options = { shard: 0, shards: 1, slotNames } as Partial<
    EmbeddingShardOptions
  > as EmbeddingShardOptions;
  const { tables } = await restoreNewest(
    ClassTables.create(tablesOf(overrides)),
    options,
    blobs,
    telemetry,
  );
  return { rows: tables.statistics().rows, telemetry };
}

Deno.test("a restored shard logs the number of its rows", async () => {
  const { rows, telemetry } = await restored(await snapshot());
  assert.equal(rows, ROWS);
  assert.deepEqual(telemetry.lines.map(({ level, fields }) => [level, fields.rows]), [
    ["info", ROWS],
  ]);
});

Deno.test("a warning tells how many restored rows a smaller table evicted, and which setting to raise", async () => {
  const { rows, telemetry } = await restored(await snapshot(), { bytesMax: 128 << 10 });
  assert.ok(rows > 1000 && rows < ROWS);
  const [warning, begins] = telemetry.lines;
  assert.equal(warning.level, "warn");
  assert.match(
    warning.message,
    new RegExp(`room for ${rows} of its ${ROWS} rows and evicted .*bytesMax`),
  );
  assert.equal(begins.fields.rows, rows);
});

Deno.test("a table that never evicts refuses a snapshot that does not fit", async () => {
  await assert.rejects(
    restored(await snapshot(), { bytesMax: 128 << 10, atLimit: "reject" }),
    /\d+ rows do not fit into the table: raise embeddings\.bytesMax/,
  );
});

Deno.test("a snapshot of another format is refused with both format numbers", async () => {
  await assert.rejects(
    restored(await snapshot({ format: 3 })),
    new RegExp(`it has format 3, and this build reads ${FORMAT}`),
  );
});

function classesOf(slots: readonly number[], threshold = 0): Pick<ClassTablesOptions, "classes"> {
  const admission = { kind: "threshold", threshold } as const;
  const [{ slices }] = tablesOf({}).classes;
  return { classes: [{ slices, slots: slots.map((slot) => ({ number: slot, admission })) }] };
}

Deno.test("added and removed slots are logged with the number of removed rows, also within one class", async () => {
  const blobs = await snapshot({ overrides: classesOf([0, 1]) });
  const { rows, telemetry } = await restored(blobs, classesOf([1, 2]));
  assert.equal(rows, ROWS / 2);
  const [warning] = telemetry.lines;
  assert.equal(warning.level, "warn");
  assert.deepEqual(warning.fields.slotsAdded, ["genre"]);
  assert.deepEqual(warning.fields.slotsRemoved, ["mood (slot: 0)"]);
  assert.equal(warning.fields.rowsOfRemovedSlots, ROWS / 2);
});

Deno.test("a warning tells that the occurrence counts of a snapshot no longer fit", async () => {
  const options = { ...classesOf([0, 1, 2], 3), bytesMax: 8 << 20 };
  const blobs = await snapshot({ overrides: { ...classesOf([0, 1, 2], 3) } });
  const { telemetry } = await restored(blobs, options);
  const [warning] = telemetry.lines;
  assert.match(warning.message, /restarts the occurrence counts of ids without a row.*bytesMax/);
  const same = await restored(blobs, classesOf([0, 1, 2], 3));
  assert.deepEqual(same.telemetry.lines.map(({ level }) => level), ["info"]);
});

Deno.test("a shard reads the parts of another division that may hold its ids, and no others", () => {
  const kernel = BatchKernel.create();
  const shardOf = (id: bigint, shards: number) =>
    kernel.unique(BigUint64Array.of(id), shards).groupStarts.findIndex((start) => start > 0) - 1;
  const count = fc.integer({ min: 1, max: 64 });
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), count, count, (id, before, after) => {
      const one = { shard: shardOf(id, after), shards: after };
      assert.ok(sharesIds({ shard: shardOf(id, before), shards: before }, one));
    }),
  );
  fc.assert(
    fc.property(count, count, fc.nat(), (before, after, drawn) => {
      const one = { shard: drawn % after, shards: after };
      const read = Array.from({ length: before }, (_, shard) => ({ shard, shards: before }))
        .filter((part) => sharesIds(part, one));
      assert.ok(read.length <= Math.ceil(before / after) + 1, `${read.length} parts`);
      if (before === after) assert.deepEqual(read, [one]);
    }),
  );
});

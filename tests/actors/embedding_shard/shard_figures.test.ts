import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";
import assert from "node:assert/strict";
import { ShardFigures } from "../../../actors/embedding_shard/shard_figures.ts";
import { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

const CLASS = {
  slices: [{
    name: "embeddings",
    dim: 8,
    initializer: { kind: "zeros" },
    optimizer: { kind: "sgd", learningRate: 0.1 },
  }],
  slots: [],
} as const;

Deno.test("a shard shows rows and memory of each class, and how many updates its tables refused", () => {
  const telemetry = new TelemetryRecorder();
  const bytesMax = 400_000;
  const tables = ClassTables.create({
    seed: 1,
    classes: [CLASS, CLASS],
    bytesMax,
    atLimit: "reject",
  });
  const learn = (from: number, first: number, second: number) => {
    const count = first + second;
    const ids = BigUint64Array.from({ length: count }, (_, i) => BigInt(from + i));
    const starts = Uint32Array.of(0, first, count);
    const gradients = new Float32Array(count * 8);
    tables.applyGradients({ ids, starts }, gradients, new Uint32Array(count).fill(1), 1);
  };
  // As a snapshot would.
  learn(500, 7, 0);
  const figures = new ShardFigures(
    { telemetry, clock: new VirtualClock() },
    3,
    tables.statistics(),
    bytesMax,
  );
  const rows = (number: string) =>
    telemetry.value("cairn_shard_rows", { shard: "3", class: number });
  const updates = (outcome: string) =>
    telemetry.value("cairn_shard_updates_total", { shard: "3", outcome });
  assert.deepEqual([rows("0"), updates("admitted")], [7, 0]);
  learn(0, 30, 5);
  figures.show(tables.statistics());
  assert.deepEqual([rows("0"), rows("1")], [37, 5]);
  assert.deepEqual([updates("admitted"), updates("updated"), updates("rejected")], [35, 35, 0]);
  learn(0, 30, 5);
  figures.show(tables.statistics());
  assert.deepEqual([updates("admitted"), updates("updated")], [35, 70]);
  learn(1000, 20_000, 0);
  figures.show(tables.statistics());
  const bytes = ["0", "1"].map((number) =>
    telemetry.value("cairn_shard_bytes", { shard: "3", class: number })
  );
  assert.ok(bytes[0] > bytes[1] && bytes[0] + bytes[1] <= bytesMax);
  assert.equal(updates("rejected"), 20_042 - rows("0") - rows("1"));
  assert.ok(updates("rejected") > 1000);
});

Deno.test("figures that are due every 2.5 s are read no more often", async () => {
  const telemetry = new TelemetryRecorder();
  const clock = new VirtualClock();
  const tables = ClassTables.create({
    seed: 1,
    classes: [CLASS],
    bytesMax: 4 << 20,
    atLimit: "reject",
  });
  const figures = new ShardFigures({ telemetry, clock }, 3, tables.statistics(), 4 << 20);
  let reads = 0;
  for (let elapsedMs = 0; elapsedMs < 10_000; elapsedMs += 100) {
    await clock.advance(100);
    figures.showDue(() => {
      reads++;
      return tables.statistics();
    });
  }
  assert.equal(reads, 4);
});

Deno.test("a shard shows its load, what waits for replicas, and how many ids were looked up in vain", () => {
  const telemetry = new TelemetryRecorder();
  const tables = ClassTables.create({
    seed: 1,
    classes: [CLASS, CLASS],
    bytesMax: 4 << 20,
    atLimit: "reject",
  });
  const figures = new ShardFigures(
    { telemetry, clock: new VirtualClock() },
    3,
    tables.statistics(),
    4 << 20,
  );
  const value = (name: string, labels = {}) =>
    telemetry.value(`cairn_shard_${name}`, { shard: "3", ...labels });
  tables.deltas.take(0, 10);
  const ids = BigUint64Array.from({ length: 3000 }, (_, i) => BigInt(i));
  const starts = Uint32Array.of(0, 2000, 3000);
  tables.applyGradients(
    { ids, starts },
    new Float32Array(3000 * 8),
    new Uint32Array(3000).fill(1),
    1,
  );
  tables.lookup({ ids: ids.map((id) => id + 1000n), starts }, "zeros");
  figures.show(tables.statistics());
  figures.showBuckets(() => tables.entriesPerBucket());
  assert.deepEqual([value("lookups_total"), value("missing_total")], [3000, 2000]);
  assert.equal(value("touched"), 3000);
  assert.equal(value("load"), tables.statistics().load);
  const buckets = Array.from({ length: 11 }, (_, n) => value("index_buckets", { entries: `${n}` }));
  const entries = buckets.reduce((sum, count, held) => sum + count * held, 0);
  assert.equal(entries, 3000);
  const slots = 10 * buckets.reduce((sum, count) => sum + count, 0);
  assert.ok(Math.abs(value("load") - entries / slots) < 1e-9);
  tables.deltas.take(0, 10_000);
  figures.show(tables.statistics());
  assert.deepEqual([value("touched"), value("lookups_total")], [0, 3000]);
});

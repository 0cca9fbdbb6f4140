import assert from "node:assert/strict";
import { ShardFigures } from "../../../actors/embedding_shard/shard_figures.ts";
import { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { TelemetryRecorder } from "../../../mesh/simulation/telemetry_recorder.ts";

const CLASS = {
  segments: [{
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
  const figures = new ShardFigures(telemetry, 3, tables.statistics());
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

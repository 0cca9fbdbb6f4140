import assert from "node:assert/strict";
import { DeltaStream, type HandedDeltas } from "../../../actors/embedding_shard/delta_stream.ts";
import { ClassTables } from "../../../kernels/embedding/class_tables.ts";

function tablesWith(rows: number): ClassTables {
  const tables = ClassTables.create({
    seed: 1,
    bytesMax: 16 << 20,
    atLimit: "reject",
    classes: [{
      slices: [{
        name: "embeddings",
        dim: 2,
        initializer: { kind: "zeros" },
        optimizer: { kind: "sgd", learningRate: 1 },
      }],
      slots: [],
    }],
  });
  learn(tables, 0, rows);
  return tables;
}

function learn(tables: ClassTables, from: number, rows: number): void {
  const ids = BigUint64Array.from({ length: rows }, (_, i) => BigInt(from + i));
  const starts = Uint32Array.of(0, rows);
  tables.applyGradients(
    { ids, starts },
    new Float32Array(rows * 2).fill(1),
    new Uint32Array(rows).fill(1),
    1,
  );
}

/** Takes and acknowledges everything; the numbers of rows by sequence. */
function drain(stream: DeltaStream): Record<number, number> {
  const taken: Record<number, number> = {};
  for (let position = stream.position;;) {
    const next = stream.take(position, 10);
    if (next.delta === undefined) return taken;
    taken[next.delta.sequence] = next.delta.classes[0]?.ids.length ?? 0;
    position = next.position;
  }
}

Deno.test("a new owner goes on with the lineage, the deltas that wait first", () => {
  const tables = tablesWith(3);
  const first = new DeltaStream(tables, 0, "x/0");
  assert.equal(first.take(undefined, 10).delta, undefined, "the lineage begins");
  learn(tables, 0, 4);
  const given = first.take(first.position, 10);
  assert.equal(given.delta?.sequence, 1);
  learn(tables, 100, 25);
  const handed = first.handOver(10);
  assert.ok(handed);
  assert.deepEqual(
    [handed.acknowledged, handed.given, handed.waiting.map(({ sequence }) => sequence)],
    [0, 1, [1, 2, 3, 4]],
  );
  const copied = tablesWith(29);
  const second = new DeltaStream(copied, 0, "x/1", handed);
  assert.deepEqual(second.position, { lineage: "x/0/1", sequence: 1 });
  const again = second.take({ lineage: "x/0/1", sequence: 0 }, 10);
  assert.ok(again.repeated && again.delta?.sequence === 1);
  learn(copied, 500, 7);
  const rest: number[] = [];
  for (let position = again.position;;) {
    const next = second.take(position, 10);
    if (next.delta === undefined) break;
    assert.equal(next.delta.lineage, "x/0/1");
    assert.equal(next.repeated, false);
    rest.push(next.delta.sequence, next.delta.classes[0]?.ids.length ?? 0);
    position = next.position;
  }
  assert.deepEqual(rest, [2, 10, 3, 10, 4, 5, 5, 7]);
});

Deno.test("a stream whose handover is given up goes on as before", () => {
  const tables = tablesWith(3);
  const stream = new DeltaStream(tables, 0, "x/0");
  stream.take(undefined, 10);
  learn(tables, 0, 15);
  assert.deepEqual(stream.handOver(10), stream.handOver(10), "asked twice it hands over the same");
  learn(tables, 50, 3);
  assert.deepEqual(drain(stream), { 1: 10, 2: 5, 3: 3 });
  learn(tables, 60, 2);
  assert.deepEqual(drain(stream), { 4: 2 });
});

Deno.test("a stream that never began, or has too much to hand over, begins a lineage elsewhere", () => {
  const tables = tablesWith(3);
  const stream = new DeltaStream(tables, 0, "x/0");
  assert.equal(stream.handOver(10), undefined);
  stream.take(undefined, 10);
  learn(tables, 0, 1_000);
  assert.equal(stream.handOver(10), undefined);
  const moved: HandedDeltas | undefined = undefined;
  const second = new DeltaStream(tablesWith(1_000), 0, "x/1", moved);
  second.take(undefined, 10);
  assert.deepEqual(second.position, { lineage: "x/1/1", sequence: 0 });
  assert.equal(Object.values(drain(stream)).reduce((sum, rows) => sum + rows, 0), 1_000);
});

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

Deno.test("deltas recorded from before the first row bring all rows to a taker without a lineage", () => {
  const tables = tablesWith(0);
  tables.deltas.take(0, 1);
  const stream = new DeltaStream(tables, 0, "x/0");
  learn(tables, 0, 25);
  const ask = { rowsMax: 10, isLoading: false };
  for (let taker = 0; taker < 2; taker++) {
    const { delta, position, bringsAllRows } = stream.answer(undefined, ask);
    assert.deepEqual([delta, position.sequence, bringsAllRows], [undefined, 0, true]);
    assert.ok(stream.owesLoadedRows);
  }
  const given: number[] = [];
  for (let position = stream.position; stream.owesLoadedRows;) {
    const next = stream.answer(position, ask);
    given.push(next.delta?.classes[0]?.ids.length ?? 0);
    assert.equal(next.bringsAllRows, undefined);
    position = next.position;
  }
  assert.deepEqual(given, [10, 10, 5]);
  const late = stream.answer(undefined, ask);
  assert.deepEqual([late.bringsAllRows, late.delta?.sequence, late.repeated], [undefined, 3, true]);
});

Deno.test("loaded rows wait to be given while the load goes on, however few are there", () => {
  const tables = tablesWith(0);
  tables.deltas.take(0, 1);
  const stream = new DeltaStream(tables, 0, "x/0");
  learn(tables, 0, 3);
  const first = stream.answer(stream.position, { rowsMax: 10, isLoading: true });
  assert.equal(first.delta?.sequence, 1);
  assert.ok(stream.owesLoadedRows);
  const unknown = stream.answer(undefined, { rowsMax: 10, isLoading: true });
  assert.deepEqual([unknown.delta, unknown.bringsAllRows], [undefined, undefined]);
  stream.answer(first.position, { rowsMax: 10, isLoading: false });
  assert.equal(stream.owesLoadedRows, false);
});

Deno.test("no rows of a load wait where recording began with the first taker, or at another owner", () => {
  const tables = tablesWith(3);
  const first = new DeltaStream(tables, 0, "x/0");
  assert.equal(first.owesLoadedRows, false);
  assert.equal(first.answer(undefined, { rowsMax: 10, isLoading: false }).bringsAllRows, undefined);
  const second = new DeltaStream(tablesWith(3), 0, "x/1", first.handOver(10));
  assert.equal(second.owesLoadedRows, false);
});

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

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Delta,
  type DeltaPosition,
  DeltaStream,
  type HandedDeltas,
} from "../../../actors/embedding_shard/delta_stream.ts";
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

const TAKE = { rowsMax: 10, isLoading: false };

function streamOf(
  tables: ClassTables,
  { name = "x/0", heldBytesMax = 2 ** 20 } = {},
  handed?: HandedDeltas,
): DeltaStream {
  return new DeltaStream(tables, { shard: 0, name, heldBytesMax }, handed);
}

/** A stream that records changes of tables that had some rows before. */
function begun(rows = 3, options: { readonly heldBytesMax?: number } = {}) {
  const tables = tablesWith(rows);
  const stream = streamOf(tables, options);
  const { position, missed } = stream.after(undefined, 10);
  assert.deepEqual([position, missed], [{ lineage: "x/0/1", sequence: 0 }, true]);
  return { tables, stream, position };
}

const rowsOf = (deltas: readonly Delta[]) =>
  deltas.map(({ sequence, classes }) => [sequence, classes[0]?.ids.length ?? 0]);

Deno.test("each taker gets every delta after its position, however far the others are", () => {
  const { tables, stream, position } = begun();
  learn(tables, 0, 4);
  assert.equal(stream.seal(TAKE), true);
  learn(tables, 100, 12);
  assert.equal(stream.seal(TAKE), false, "more than a delta has");
  assert.equal(stream.seal(TAKE), true);
  const all = stream.after(position, 100);
  assert.deepEqual(rowsOf(all.deltas), [[1, 4], [2, 10], [3, 2]]);
  assert.deepEqual(all.position, { lineage: "x/0/1", sequence: 3 });
  assert.deepEqual(stream.after(position, 100), all, "as often as it asks");
  const late = stream.after({ ...position, sequence: 2 }, 100);
  assert.deepEqual(rowsOf(late.deltas), [[3, 2]]);
  const none = stream.after(all.position, 100);
  assert.deepEqual([none.deltas, none.missed, none.position], [[], undefined, all.position]);
});

Deno.test("an answer has as many deltas as it has room for, and at least one", () => {
  const { tables, stream, position } = begun();
  for (const rows of [10, 3, 4, 10]) {
    learn(tables, 0, rows);
    stream.seal({ rowsMax: 20, isLoading: false });
  }
  const taken: unknown[] = [];
  for (let at = position; at.sequence < 4;) {
    const next = stream.after(at, 8);
    taken.push(rowsOf(next.deltas));
    at = next.position;
  }
  assert.deepEqual(taken, [[[1, 10]], [[2, 3], [3, 4]], [[4, 10]]]);
});

Deno.test("a taker behind the oldest delta, of another lineage or of none has missed deltas", () => {
  const { tables, stream, position } = begun();
  for (let i = 0; i < 1_030; i++) {
    learn(tables, i, 1);
    stream.seal(TAKE);
  }
  const newest = { ...position, sequence: 1_030 };
  const missed = { deltas: [], position: newest, learnedThroughMs: undefined, missed: true };
  for (const at of [position, { ...position, sequence: 5 }, undefined]) {
    assert.deepEqual(stream.after(at, 10), missed);
  }
  assert.deepEqual(stream.after({ lineage: "other", sequence: 1_030 }, 10), missed);
  assert.deepEqual(stream.after({ ...position, sequence: 1_031 }, 10), missed, "of a later owner");
  const held = stream.after({ ...position, sequence: 6 }, 2_000);
  assert.equal(held.deltas.length, 1_024);
});

Deno.test("deltas that are held have a bound in bytes; the newest one stays", () => {
  const { tables, stream, position } = begun(0, { heldBytesMax: 400 });
  for (let i = 0; i < 5; i++) {
    learn(tables, 10 * i, 10); // of 8 bytes, with rows of 8 bytes
    stream.seal({ rowsMax: 100, isLoading: false });
  }
  assert.equal(stream.after({ ...position, sequence: 2 }, 100).missed, true);
  assert.equal(stream.after({ ...position, sequence: 3 }, 100).deltas.length, 2);
  learn(tables, 0, 60);
  stream.seal({ rowsMax: 100, isLoading: false });
  assert.equal(stream.after({ ...position, sequence: 4 }, 100).missed, true);
  assert.deepEqual(rowsOf(stream.after({ ...position, sequence: 5 }, 100).deltas), [[6, 60]]);
});

Deno.test("a mark goes with the delta that it was noted at, and with every later one", () => {
  const { tables, stream, position } = begun();
  const marks = () =>
    [0, 1, 2].map((sequence) => stream.after({ ...position, sequence }, 1).learnedThroughMs);
  learn(tables, 0, 1);
  stream.seal(TAKE);
  learn(tables, 1, 1);
  stream.seal(TAKE);
  assert.deepEqual(marks(), [undefined, undefined, undefined]);
  stream.learned(500);
  assert.deepEqual(marks(), [undefined, 500, 500], "the rows of delta 1 may lack changes");
  stream.learned(400);
  assert.deepEqual(marks(), [undefined, 500, 500], "rows do not forget");
  learn(tables, 2, 1);
  stream.seal(TAKE);
  stream.learned(600);
  assert.deepEqual(marks(), [undefined, 500, 600]);
});

Deno.test("deltas recorded from before the first row bring all rows to a taker without a lineage", () => {
  const tables = tablesWith(0);
  tables.deltas.take(0, 1);
  const stream = streamOf(tables);
  learn(tables, 0, 25);
  for (let taker = 0; taker < 2; taker++) {
    const { deltas, position, missed, bringsAllRows } = stream.after(undefined, 10);
    assert.deepEqual([deltas, position.sequence, missed, bringsAllRows], [[], 0, true, true]);
    assert.ok(stream.owesLoadedRows);
  }
  while (!stream.seal(TAKE));
  assert.equal(stream.owesLoadedRows, false);
  const late = stream.after(undefined, 10);
  assert.deepEqual([late.bringsAllRows, late.position.sequence], [true, 0], "all are held");
  const { deltas } = stream.after(late.position, 100);
  assert.deepEqual(rowsOf(deltas), [[1, 10], [2, 10], [3, 5]]);
  for (let i = 0; i < 1_030; i++) {
    learn(tables, i, 1);
    stream.seal(TAKE);
  }
  assert.equal(stream.after(undefined, 10).bringsAllRows, undefined);
});

Deno.test("loaded rows wait to be given while the load goes on, however few are there", () => {
  const tables = tablesWith(0);
  tables.deltas.take(0, 1);
  const stream = streamOf(tables);
  learn(tables, 0, 3);
  stream.seal({ rowsMax: 10, isLoading: true });
  assert.ok(stream.owesLoadedRows);
  stream.seal(TAKE);
  assert.equal(stream.owesLoadedRows, false);
});

Deno.test("no rows of a load wait where recording began with the first taker, or at another owner", () => {
  const { stream } = begun();
  assert.equal(stream.owesLoadedRows, false);
  assert.equal(stream.after(undefined, 10).bringsAllRows, undefined);
  const second = streamOf(tablesWith(3), { name: "x/1" }, stream.handOver(10));
  assert.equal(second.owesLoadedRows, false);
});

Deno.test("a new owner goes on with the lineage, for takers at any position", () => {
  const { tables, stream, position } = begun();
  learn(tables, 0, 4);
  stream.seal(TAKE);
  stream.learned(100);
  learn(tables, 100, 25);
  const handed = stream.handOver(10);
  assert.ok(handed);
  assert.deepEqual(
    [handed.newest, handed.held.map(({ delta: { sequence } }) => sequence)],
    [4, [1, 2, 3, 4]],
  );
  const copied = tablesWith(29);
  const second = streamOf(copied, { name: "x/1" }, handed);
  assert.deepEqual(second.position, { lineage: "x/0/1", sequence: 4 });
  assert.equal(second.after(position, 1).learnedThroughMs, 100);
  learn(copied, 500, 7);
  second.seal(TAKE);
  assert.deepEqual(
    rowsOf(second.after({ ...position, sequence: 1 }, 100).deltas),
    [[2, 10], [3, 10], [4, 5], [5, 7]],
  );
  assert.equal(second.after(position, 100).deltas.length, 5);
});

Deno.test("a stream whose handover is given up goes on as before", () => {
  const { tables, stream, position } = begun();
  learn(tables, 0, 15);
  assert.deepEqual(stream.handOver(10), stream.handOver(10), "asked twice it hands over the same");
  learn(tables, 50, 3);
  stream.seal(TAKE);
  assert.deepEqual(rowsOf(stream.after(position, 100).deltas), [[1, 10], [2, 5], [3, 3]]);
});

Deno.test("old deltas go along at a handover up to a bound, the changes since the last one always", () => {
  const { tables, stream } = begun(0, { heldBytesMax: 2 ** 24 });
  const sealed = { rowsMax: 2 ** 16, isLoading: false };
  for (let i = 0; i < 3; i++) {
    learn(tables, 0, 2 ** 16); // 16 bytes a row
    stream.seal(sealed);
  }
  const sequences = () => stream.handOver(2 ** 16)?.held.map(({ delta }) => delta.sequence);
  assert.deepEqual(sequences(), [2, 3]);
  learn(tables, 0, 2 ** 16);
  assert.deepEqual(sequences(), [3, 4]);
});

Deno.test("a stream that never began, or has too much to hand over, begins a lineage elsewhere", () => {
  const tables = tablesWith(3);
  const stream = streamOf(tables);
  assert.equal(stream.handOver(10), undefined);
  stream.after(undefined, 10);
  learn(tables, 0, 1_000);
  assert.equal(stream.handOver(10), undefined);
  const second = streamOf(tablesWith(1_000), { name: "x/1" });
  assert.deepEqual(second.after(undefined, 10).position, { lineage: "x/1/1", sequence: 0 });
});

/** An event of a shard, or of the takers of its deltas. */
const step = fc.oneof(
  fc.record({
    kind: fc.constant("learn" as const),
    from: fc.nat(30),
    rows: fc.integer({ min: 1, max: 12 }),
  }),
  fc.record({ kind: fc.constant("seal" as const), rowsMax: fc.integer({ min: 1, max: 8 }) }),
  fc.record({ kind: fc.constant("mark" as const) }),
  fc.record({
    kind: fc.constant("take" as const),
    taker: fc.nat(2),
    rowsMax: fc.integer({ min: 1, max: 20 }),
  }),
  fc.record({ kind: fc.constant("move" as const) }),
);

Deno.test("whatever happens, a taker has the rows that its mark claims", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let tables = tablesWith(0);
    let stream = streamOf(tables, { heldBytesMax: 300 });
    /** Number of the last change of each id: what a row tells. */
    const rows = new Map<bigint, number>();
    /** The changes that a mark claims are those before it. */
    let changes = 0;
    const takers = [0, 1, 2].map(() => ({
      position: undefined as DeltaPosition | undefined,
      rows: new Map<bigint, number>(),
    }));
    /** By delta, the rows at its seal: a delta holds whole rows. */
    const rowsAt = new Map<string, Map<bigint, number>>();
    const keyOf = ({ lineage, sequence }: DeltaPosition) => `${lineage} ${sequence}`;
    const noteSealed = () => {
      const { position } = stream;
      for (let { sequence } = position; sequence > 0; sequence--) {
        const key = keyOf({ ...position, sequence });
        if (rowsAt.has(key)) return;
        rowsAt.set(key, new Map(rows));
      }
    };
    for (const each of steps) {
      if (each.kind === "learn") {
        learn(tables, each.from, each.rows);
        changes++;
        for (let i = 0; i < each.rows; i++) rows.set(BigInt(each.from + i), changes);
      } else if (each.kind === "seal") {
        stream.seal({ rowsMax: each.rowsMax, isLoading: false });
        noteSealed();
      } else if (each.kind === "mark") {
        if (stream.seal({ rowsMax: 100, isLoading: false })) stream.learned(changes);
        noteSealed();
      } else if (each.kind === "take") {
        const taker = takers[each.taker];
        const { deltas, position, learnedThroughMs, missed } = stream.after(
          taker.position,
          each.rowsMax,
        );
        if (missed) taker.rows = new Map(rows); // a fill
        for (const delta of deltas) {
          for (const id of delta.classes[0]?.ids ?? []) {
            const row = rowsAt.get(keyOf(delta))?.get(id);
            assert.ok(row !== undefined);
            taker.rows.set(id, row);
          }
        }
        taker.position = position;
        for (const [id, change] of rows) {
          if (change > (learnedThroughMs ?? 0)) continue;
          assert.ok((taker.rows.get(id) ?? 0) >= change, `id ${id} of change ${change}`);
        }
      } else {
        const handed = stream.handOver(8);
        noteSealed();
        const copied = tablesWith(0);
        for (const id of rows.keys()) learn(copied, Number(id), 1);
        tables = copied;
        stream = streamOf(tables, { name: `y/${changes}`, heldBytesMax: 300 }, handed);
      }
    }
  }));
});

/**
 * Goal: each class behaves like a table of its own, under one memory limit.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { type ClassOptions, ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import {
  CLASSES,
  classNumbers,
  exported,
  follow,
  grouped,
  idOf,
  learn,
  Replica,
  SHARED,
  slice,
  slot,
  tablesOf,
} from "./classes_of_slots.ts";

const operations = fc.array(
  fc.record({
    ids: fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(30)), { maxLength: 20 }),
    seconds: fc.nat(8),
    follow: fc.boolean(),
    evict: fc.boolean(),
  }),
  { maxLength: 12 },
);

Deno.test("tables by class behave as a table for each class, and a replica fed by their deltas has their rows", () => {
  fc.assert(
    fc.property(operations, (steps) => {
      const tables = tablesOf();
      const separate = CLASSES.map((each) => EmbeddingTable.create({ ...SHARED, ...each }));
      const replica = new Replica();
      let acknowledged = follow(tables, replica, 0);
      let clock = 0;
      for (const { ids: named, seconds, follow: follows, evict } of steps) {
        const ids = grouped(named.map(([slot, value]) => idOf(slot, value)));
        clock += seconds;
        const gradients = learn(tables, ids, clock);
        let at = 0;
        separate.forEach((table, c) => {
          const own = ids.ids.slice(ids.starts[c], ids.starts[c + 1]);
          const part = gradients.subarray(at, at += own.length * table.width);
          table.applyGradients(own, part, new Uint32Array(own.length).fill(1), clock);
        });
        if (evict) {
          tables.evictExpired(100);
          for (const table of separate) table.evictExpired(100);
        }
        if (follows) acknowledged = follow(tables, replica, acknowledged);
      }
      const expected = new Replica();
      for (const table of separate) {
        const { ids, rows } = table.reader.rows(0, 1000);
        if (ids.length > 0) expected.write(ids, rows);
      }
      assert.deepEqual(exported(tables), expected.rows);
      follow(tables, replica, acknowledged);
      assert.deepEqual(replica.rows, expected.rows);
      const { rows, evicted, classes } = tables.statistics();
      assert.equal(rows, expected.rows.size);
      assert.deepEqual(
        classes.map(({ rows }) => rows),
        separate.map((table) => table.statistics().rows),
      );
      assert.equal(
        evicted,
        separate.reduce((sum, table) => sum + table.statistics().evicted, 0),
      );
    }),
    { numRuns: 60 },
  );
});

Deno.test("rows of a class without updates expire on the clock of the other classes", () => {
  const tables = tablesOf();
  learn(tables, grouped([idOf(3, 1), idOf(4, 1)]), 1);
  learn(tables, grouped([idOf(4, 2)]), 12);
  assert.equal(tables.evictExpired(1_000), 1, "slot 3 expires after 10 s, slot 4 after 100");
  assert.deepEqual([...exported(tables).keys()], [idOf(4, 1), idOf(4, 2)]);
});

Deno.test("rows of a narrow class with a stateless optimizer take only their own bytes", () => {
  const rowBytes = tablesOf().statistics().classes.map(({ rowBytes }) => rowBytes);
  const header = 12;
  // Adam keeps two moments a weight and two powers of its betas.
  assert.deepEqual(rowBytes, [header + 4 * (7 + 14), header + 4 * 3, header + 4]);
});

Deno.test("ids, updates and positions of other classes are misfits", () => {
  const tables = tablesOf();
  const ids = BigUint64Array.of(idOf(1, 1));
  const misfit = tables.misfitOfIds({ ids, starts: Uint32Array.of(0, 1) });
  assert.match(misfit?.message ?? "", /3 classes/);
  const own = grouped([idOf(1, 1)]);
  assert.match(
    tables.misfitOfUpdate(own, new Float32Array(3), Uint32Array.of(1))?.message ?? "",
    /widths 7, 3, 1 need 7 floats and a count each, not 3 and 1/,
  );
  assert.equal(tables.misfitOfUpdate(own, new Float32Array(7), Uint32Array.of(1)), undefined);
  assert.equal(tables.misfitOfPosition({ class: 2, row: 9 }), undefined);
  for (const [number, row] of [[3, 0], [-1, 0], [0.5, 0], [0, -1], [0, NaN]]) {
    assert.ok(tables.misfitOfPosition({ class: number, row }) instanceof RangeError);
  }
});

Deno.test("a slice's learning rate follows its own schedule in every class and after a restore", () => {
  const learningRateSchedule = {
    warmupSteps: 2,
    decay: { kind: "linear", final: 0, steps: 4 },
  } as const;
  const classes = [2, 3].map((dim, c): ClassOptions => ({
    slices: [
      { ...slice(1, { kind: "sgd", learningRate: 1 }, "first_order") },
      { ...slice(dim, { kind: "sgd", learningRate: 1 }), learningRateSchedule },
    ],
    slots: [slot(c + 1)],
  }));
  const ids = grouped([idOf(1, 1), idOf(2, 1)], BatchKernel.create(classNumbers(classes)));
  /** The change of each column of either class's row when all gradients are -1. */
  const moved = (tables: ClassTables) => {
    const before = tables.lookup(ids, "initial");
    tables.applyGradients(ids, before.map(() => -1), Uint32Array.of(1, 1), 1);
    const after = tables.lookup(ids, "zeros");
    return Array.from(after, (value, at) => Math.round(100 * (value - before[at])) / 100);
  };
  const expected = (rate: number) => [1, rate, rate, 1, rate, rate, rate];
  const tables = tablesOf(classes);
  for (const rate of [0.5, 1, 0.75]) assert.deepEqual(moved(tables), expected(rate));
  const into = copied(tables, classes);
  assert.deepEqual(moved(into), expected(0.5));
  into.setLearningRateScale("embeddings", 0.4);
  assert.deepEqual(moved(into), expected(0.1));
  assert.deepEqual(moved(tables), expected(0.5), "the original is where it was");
});

/** Restored while nothing is learned. */
function copied(from: ClassTables, classes: readonly ClassOptions[]): ClassTables {
  const into = tablesOf(classes);
  const restores = into.restore(from.snapshots.begin(), { shard: 0, shards: 1 });
  for (let chunk; (chunk = from.snapshots.nextChunk(3)) !== undefined;) {
    restores.take(chunk.class, chunk);
  }
  return into;
}

Deno.test("all classes stay under one limit, and the class that grows first leaves the others their reserve", () => {
  for (const atLimit of ["reject", "evictLeastRecentlyUsed"] as const) {
    const bytesMax = 4 << 20;
    const tables = ClassTables.create({ ...SHARED, bytesMax, atLimit, classes: CLASSES });
    const fill = (slot: number, from: number) => {
      for (let batch = 0; batch < 100; batch++) {
        const values = Array.from({ length: 1000 }, (_, i) => from + batch * 1000 + i);
        learn(tables, grouped(values.map((value) => idOf(slot, value))), batch);
        assert.ok(tables.statistics().bytes <= bytesMax);
      }
    };
    fill(1, 0);
    const [wide] = tables.statistics().classes;
    assert.ok(wide.bytes > bytesMax * 0.7, "one class may take memory that the others do not need");
    fill(4, 0);
    const [still, , narrow] = tables.statistics().classes;
    assert.equal(still.rows, wide.rows, "and another does not take it away");
    assert.ok(narrow.bytes >= bytesMax / 3 / 4 * 0.7, `${narrow.bytes} bytes for the late one`);
    const newest = tables.lookup(grouped([idOf(4, 99_999)]), "zeros")[0];
    assert.equal(
      newest !== 0,
      atLimit !== "reject",
      "at the limit new ids make room, or have none",
    );
  }
});

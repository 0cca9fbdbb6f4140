/**
 * Goal: a copy that follows its source while that learns, expires and evicts ends as the same
 * table, in every bit of its rows and in its behaviour afterwards. Method: random batches between
 * random steps of the copy; then both get the same batches.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CopyDiffersError, type CopySource } from "../../../kernels/embedding/class_copy.ts";
import {
  type ClassOptions,
  ClassTables,
  type ClassTablesOptions,
} from "../../../kernels/embedding/class_tables.ts";
import type { SliceOptions, SparseOptimizerOptions } from "../../../kernels/embedding/options.ts";

const ADAM: SparseOptimizerOptions = {
  kind: "adam",
  learningRate: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 0.01,
};
const ADAGRAD: SparseOptimizerOptions = {
  kind: "adagrad",
  learningRate: 0.1,
  initialAccumulator: 0.1,
};

function slice(dim: number, optimizer: SparseOptimizerOptions): SliceOptions {
  return {
    name: "embeddings",
    dim,
    initializer: { kind: "uniform", low: -1, high: 1 },
    optimizer,
    learningRateSchedule: { warmupSteps: 20 },
  };
}

const classes: readonly ClassOptions[] = [
  {
    slices: [slice(6, ADAM)],
    slots: [
      { number: 1, admission: { kind: "threshold", threshold: 2 }, expirySeconds: 40 },
      { number: 2, admission: { kind: "probability", probability: 0.5 }, expirySeconds: 1_000 },
    ],
  },
  {
    slices: [slice(3, ADAGRAD)],
    slots: [{ number: 3, admission: { kind: "threshold", threshold: 0 } }],
  },
];

function optionsOf(changes: Partial<ClassTablesOptions> = {}): ClassTablesOptions {
  return { seed: 9, atLimit: "reject", bytesMax: 16 << 20, classes, ...changes };
}

interface Batch {
  readonly values: readonly number[];
  readonly second: number;
}

const idOf = (slot: number, value: number) => (BigInt(slot) << 48n) | BigInt(value);

/** Gradients that depend on the batch alone. */
function learn(tables: ClassTables, { values, second }: Batch): void {
  const distinct = [...new Set(values)].sort((a, b) => a - b);
  const wide = distinct.flatMap((value) => [idOf(1 + value % 2, value)]);
  const narrow = distinct.map((value) => idOf(3, value));
  const ids = BigUint64Array.from([...wide, ...narrow]);
  const starts = Uint32Array.of(0, wide.length, ids.length);
  const floats = wide.length * 6 + narrow.length * 3;
  const gradients = Float32Array.from(
    { length: floats },
    (_, i) => Math.sin(i + second * 7 + values.length),
  );
  const counts = new Uint32Array(ids.length).fill(1);
  tables.applyGradients({ ids, starts }, gradients, counts, second);
}

function digestsOf(tables: ClassTables) {
  return tables.copySource().end();
}

/** Copies until the source has nothing new. */
function catchUp(
  source: CopySource,
  target: ReturnType<ClassTables["copyTarget"]>,
  rowsMax: number,
) {
  for (;;) {
    const changes = source.changes(target.applied, rowsMax);
    assert.ok(changes !== "overflowed");
    if (changes.rows === 0) return;
    target.takeChanges(changes);
  }
}

const batches = fc.array(
  fc.record({
    values: fc.array(fc.nat(300), { minLength: 1, maxLength: 40 }),
    second: fc.nat(20),
  }),
  { maxLength: 12 },
);

Deno.test("a copy that follows its source equals it, and learns on as it would have", () => {
  fc.assert(
    fc.property(
      batches,
      batches,
      batches,
      fc.integer({ min: 1, max: 60 }),
      fc.boolean(),
      (before, meanwhile, after, rowsMax, forDeltas) => {
        let clock = 0;
        const next = (batch: Batch): Batch => ({ ...batch, second: clock += batch.second });
        const tables = ClassTables.create(optionsOf());
        if (forDeltas) tables.deltas.take(0, 8);
        for (const batch of before) learn(tables, next(batch));
        const source = tables.copySource();
        const copied = ClassTables.create(optionsOf());
        const target = copied.copyTarget(source.begin());
        const waiting = meanwhile.map(next);
        for (let cursor, done = false; !done;) {
          const page = source.page(cursor, rowsMax);
          target.takePage(page);
          [cursor, done] = [page.cursor, page.done];
          const batch = waiting.shift();
          if (batch !== undefined) learn(tables, batch);
          if (waiting.length % 3 === 0) tables.evictExpired(3);
        }
        for (const batch of waiting) {
          learn(tables, batch);
          const changes = source.changes(target.applied, rowsMax);
          assert.ok(changes !== "overflowed");
          target.takeChanges(changes);
        }
        catchUp(source, target, rowsMax);
        target.finish(source.end());
        source.close();
        for (const batch of after.map(next)) {
          learn(tables, batch);
          learn(copied, batch);
        }
        // Expired rows leave at times that depend on the place in memory.
        for (const each of [tables, copied]) each.evictExpired(1_000);
        assert.deepEqual(digestsOf(copied), digestsOf(tables));
        assert.equal(
          tables.statistics().touched === 0,
          !forDeltas || tables.statistics().touched === 0,
        );
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("changes that the target did not get are given again, and are applied once", () => {
  const tables = ClassTables.create(optionsOf());
  const source = tables.copySource();
  const target = ClassTables.create(optionsOf()).copyTarget(source.begin());
  learn(tables, { values: [1, 2, 3], second: 1 });
  const lost = source.changes(target.applied, 100);
  learn(tables, { values: [3, 4], second: 2 });
  const again = source.changes(target.applied, 100);
  assert.deepEqual(again, lost);
  assert.ok(again !== "overflowed");
  target.takeChanges(again);
  target.takeChanges(again);
  catchUp(source, target, 100);
  target.finish(source.end());
});

Deno.test("a copy that lacks a change is refused", () => {
  const tables = ClassTables.create(optionsOf());
  learn(tables, { values: [1, 2, 3], second: 1 });
  const source = tables.copySource();
  const target = ClassTables.create(optionsOf()).copyTarget(source.begin());
  for (let cursor, done = false; !done;) {
    const page = source.page(cursor, 10);
    target.takePage(page);
    [cursor, done] = [page.cursor, page.done];
  }
  learn(tables, { values: [3], second: 2 });
  assert.throws(() => target.finish(source.end()), CopyDiffersError);
});

for (const atLimit of ["evictLeastRecentlyUsed", "evictLeastFrequentlyUsed"] as const) {
  Deno.test(`tables that evict at their limit (${atLimit}) are copied row for row`, () => {
    const options = optionsOf({ atLimit, bytesMax: 1 << 20 });
    const tables = ClassTables.create(options);
    let second = 0;
    const learnMany = (from: number) => {
      for (let batch = 0; batch < 10; batch++) {
        const values = Array.from({ length: 900 }, (_, i) => from + batch * 400 + i);
        learn(tables, { values, second: ++second });
        learn(tables, { values, second });
        learn(tables, { values, second });
      }
    };
    for (let i = 0; i < 4; i++) learnMany(4_000 * i);
    assert.ok(tables.statistics().evicted > 0, "the tables are full");
    const source = tables.copySource();
    const copied = ClassTables.create(options);
    const target = copied.copyTarget(source.begin());
    for (let cursor, done = false, pages = 0; !done; pages++) {
      const page = source.page(cursor, 500);
      target.takePage(page);
      [cursor, done] = [page.cursor, page.done];
      if (pages % 8 === 0) learnMany(20_000 + pages * 500);
      // As a learner does: pages alone would pile up rows that were evicted since.
      catchUp(source, target, 1_000);
    }
    catchUp(source, target, 1_000);
    target.finish(source.end());
    assert.equal(copied.statistics().rows, tables.statistics().rows);
  });
}

Deno.test("a target of another configuration is refused before a row is copied", () => {
  const source = ClassTables.create(optionsOf()).copySource();
  const wider = [{ ...classes[0], slices: [slice(7, ADAM)] }, classes[1]];
  const target = ClassTables.create(optionsOf({ classes: wider }));
  assert.throws(
    () => target.copyTarget(source.begin()),
    /class 0: embeddings differ; both hosts need the same configuration/,
  );
  const fewer = ClassTables.create(optionsOf({ classes: [classes[0]] }));
  assert.throws(() => fewer.copyTarget(source.begin()), /Cannot copy 2 classes of rows into 1/);
});

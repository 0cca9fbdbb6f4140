/**
 * Goal: each class behaves like a table of its own, with common deltas, snapshots and memory limit.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import type { ClassChunk } from "../../../kernels/embedding/class_snapshots.ts";
import { type ClassOptions, ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { type ClassIds } from "../../../kernels/embedding/row_classes.ts";
import type { ServedWeights } from "../../../kernels/embedding/served_weights.ts";
import { ClassServingTables } from "../../../kernels/embedding/serving_table.ts";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import type {
  FeatureIds,
  SliceOptions,
  SparseOptimizerOptions,
} from "../../../kernels/embedding/options.ts";

const SGD: SparseOptimizerOptions = { kind: "sgd", learningRate: 0.1 };
const ADAM: SparseOptimizerOptions = {
  kind: "adam",
  learningRate: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 0.01,
};

function slice(dim: number, optimizer = SGD, name = "embeddings"): SliceOptions {
  return { name, dim, initializer: { kind: "uniform", low: -1, high: 1 }, optimizer };
}

const slot = (number: number, expirySeconds = 100) => ({
  number,
  admission: { kind: "threshold", threshold: 0 } as const,
  expirySeconds,
});

/**
 * Slots 1 and 2 are wide and learn by Adam, slot 3 is narrow, slot 4 has a first-order weight
 * alone.
 */
const CLASSES: readonly ClassOptions[] = [
  { slices: [slice(1, SGD, "first_order"), slice(6, ADAM)], slots: [slot(1), slot(2)] },
  { slices: [slice(1, SGD, "first_order"), slice(2)], slots: [slot(3, 10)] },
  { slices: [slice(1, SGD, "first_order")], slots: [slot(4)] },
];
const SHARED = { seed: 9, atLimit: "reject", bytesMax: 64 << 20 } as const;

const tablesOf = (classes = CLASSES) => ClassTables.create({ ...SHARED, classes });
const classNumbers = (classes: readonly ClassOptions[]) =>
  classes.map(({ slots }) => ({ slots: slots.map(({ number }) => number), slices: [] }));
const KERNEL = BatchKernel.create(classNumbers(CLASSES));

const idOf = (slot: number, value: number) => (BigInt(slot) << 48n) | BigInt(value);

function grouped(ids: readonly bigint[], kernel = KERNEL): ClassIds {
  const { uniqueIds, groupStarts } = kernel.unique(BigUint64Array.from(ids), 1);
  return { ids: uniqueIds, starts: groupStarts };
}

function learn(tables: ClassTables, ids: ClassIds, seconds: number) {
  const { length } = tables.lookup(ids, "zeros");
  const gradients = Float32Array.from({ length }, (_, i) => Math.sin(i + seconds));
  tables.applyGradients(ids, gradients, new Uint32Array(ids.ids.length).fill(1), seconds);
  return gradients;
}

/** Rows by id, as consumers keep them. */
class Replica {
  readonly rows = new Map<bigint, Float32Array>();

  write(ids: FeatureIds, rows: ServedWeights) {
    assert.ok(rows instanceof Float32Array);
    const width = rows.length / ids.length;
    ids.forEach((id, i) => this.rows.set(id, rows.slice(i * width, (i + 1) * width)));
  }
}

function follow(tables: ClassTables, replica: Replica, acknowledged: number, rowsMax = 5): number {
  for (;;) {
    const delta = tables.deltas.take(acknowledged, rowsMax);
    if (delta === undefined) return acknowledged;
    assert.equal(delta.sequence, acknowledged + 1);
    for (const changes of delta.classes) {
      if (changes === undefined) continue;
      replica.write(changes.ids, changes.rows);
      for (const id of changes.tombstones) replica.rows.delete(id);
    }
    acknowledged = delta.sequence;
  }
}

function exported(tables: ClassTables): Map<bigint, Float32Array> {
  const all = new Replica();
  for (let page = tables.exportRows(undefined, 7);; page = tables.exportRows(page.cursor, 7)) {
    if (page.ids.length > 0) {
      assert.equal(page.rows.length, page.ids.length * tables.widths[page.class]);
      all.write(page.ids, page.rows);
    }
    if (page.done) return all.rows;
  }
}

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

Deno.test("an unacknowledged delta is repeated unchanged after another class changed", () => {
  const tables = tablesOf();
  assert.equal(tables.deltas.take(0, 10), undefined, "a lineage begins");
  learn(tables, grouped([idOf(1, 5)]), 1);
  const first = tables.deltas.take(0, 10);
  learn(tables, grouped([idOf(3, 6)]), 2);
  assert.deepEqual(tables.deltas.take(0, 10), first);
  const second = tables.deltas.take(1, 10);
  assert.equal(second?.sequence, 2);
  assert.deepEqual(second?.classes.map((changes) => changes && [...changes.ids]), [
    undefined,
    [idOf(3, 6)],
    undefined,
  ]);
  assert.equal(tables.deltas.take(2, 10), undefined);
  assert.throws(() => tables.deltas.take(1, 10), /1 is behind 2/);
});

Deno.test("a new lineage begins when the tombstones of one class overflow, and is complete after an export", () => {
  const tables = ClassTables.create({
    ...SHARED,
    atLimit: "evictLeastRecentlyUsed",
    classes: CLASSES,
    bytesMax: 1 << 20,
  });
  assert.equal(follow(tables, new Replica(), 0), 0);
  assert.deepEqual(tables.deltas.position, { lineage: 1, sequence: 0 });
  learn(tables, grouped([idOf(1, 5)]), 1);
  assert.equal(follow(tables, new Replica(), 0), 1);
  for (let round = 0; tables.statistics().evicted <= 1 << 18; round++) {
    learn(tables, grouped(Array.from({ length: 4096 }, (_, i) => idOf(4, round * 4096 + i))), 1);
  }
  const replica = new Replica();
  assert.equal(tables.deltas.take(1, 10), undefined);
  assert.deepEqual(tables.deltas.position, { lineage: 2, sequence: 0 });
  for (const [id, row] of exported(tables)) replica.rows.set(id, row);
  learn(tables, grouped([idOf(1, 6), idOf(4, 1)]), 2);
  assert.equal(follow(tables, replica, 0), 1);
  assert.deepEqual(replica.rows, exported(tables));
  assert.equal(tables.statistics().rejected, 0);
});

Deno.test("ids in other classes are refused", () => {
  const tables = tablesOf();
  const ids = BigUint64Array.of(idOf(1, 1));
  assert.throws(() => tables.lookup({ ids, starts: Uint32Array.of(0, 1) }, "zeros"), /3 classes/);
  assert.throws(
    () => tables.applyGradients(grouped([idOf(1, 1)]), new Float32Array(3), Uint32Array.of(1), 0),
    /widths 7, 3, 1 need 7 floats, not 3/,
  );
});

function restored(
  from: ClassTables,
  classes: readonly ClassOptions[],
  selection = { shard: 0, shards: 1, counters: true },
) {
  const headers = from.snapshots.begin();
  const into = tablesOf(classes);
  const restores = into.restore(headers, selection);
  for (let chunk; (chunk = from.snapshots.nextChunk(3)) !== undefined;) {
    // Updates after the start are not in the snapshot.
    learn(from, grouped([idOf(1, 1), idOf(3, 99)]), 50);
    restores.take(chunk.class, chunk);
  }
  return { into, report: restores.report() };
}

const SOME = [1, 2, 3, 4].flatMap((slot) => Array.from({ length: 9 }, (_, v) => idOf(slot, v)));

Deno.test("restored tables have the rows of the cut and train on like the original", () => {
  const tables = tablesOf();
  learn(tables, grouped(SOME), 3);
  const twin = tablesOf();
  learn(twin, grouped(SOME), 3);
  const { into, report } = restored(tables, CLASSES);
  assert.deepEqual(exported(into), exported(twin));
  assert.equal(report.rowsRestored, SOME.length);
  assert.deepEqual([
    ...report.slicesAdded,
    ...report.slicesResized,
    ...report.slicesStateReset,
  ], []);
  learn(into, grouped(SOME), 4);
  learn(twin, grouped(SOME), 4);
  assert.deepEqual(exported(into), exported(twin));
});

Deno.test("a snapshot that lacks a chunk, or has one twice, is reported as damaged", () => {
  const from = tablesOf();
  learn(from, grouped(SOME), 3);
  const headers = from.snapshots.begin();
  const chunks = [];
  for (let chunk; (chunk = from.snapshots.nextChunk(3)) !== undefined;) chunks.push(chunk);
  const rows = chunks.flatMap((chunk, number) => chunk.rows > 0 ? [number] : []);
  for (const number of rows) {
    const lacking = chunks.toSpliced(number, 1);
    for (const damaged of [lacking, [...chunks, chunks[number]]]) {
      const restores = tablesOf().restore(headers, { shard: 0, shards: 1 });
      for (const chunk of damaged) restores.take(chunk.class, chunk);
      assert.throws(
        () => restores.report(),
        /its chunks hold \d+ rows of class \d, and its header/,
      );
    }
  }
});

Deno.test("two shards become three, with each row on the shard that the kernel computes", () => {
  const before = [0, 1].map(() => tablesOf());
  const { uniqueIds, groupStarts } = KERNEL.unique(BigUint64Array.from(SOME), 2);
  before.forEach((tables, shard) => {
    const starts = groupStarts.slice(shard * 3, shard * 3 + 4).map((at) =>
      at - groupStarts[shard * 3]
    );
    const from = groupStarts[shard * 3];
    learn(tables, { ids: uniqueIds.slice(from, from + starts[3]), starts }, 1);
  });
  const all = new Map([...exported(before[0]), ...exported(before[1])]);
  const after = KERNEL.unique(BigUint64Array.from(SOME), 3);
  for (let shard = 0; shard < 3; shard++) {
    const into = tablesOf();
    for (const tables of before) {
      const restores = into.restore(tables.snapshots.begin(), { shard, shards: 3 });
      for (let chunk; (chunk = tables.snapshots.nextChunk(4)) !== undefined;) {
        restores.take(chunk.class, chunk);
      }
      assert.equal(restores.report().rowsOfRemovedSlots, 0);
    }
    const own = after.uniqueIds.subarray(
      after.groupStarts[shard * 3],
      after.groupStarts[shard * 3 + 3],
    );
    const expected = new Map([...own].map((id) => [id, all.get(id)!] as const));
    assert.deepEqual(exported(into), expected);
  }
});

Deno.test("a slot that moves to another class keeps the slices that both have, and the report names the slot", () => {
  const tables = tablesOf();
  learn(tables, grouped(SOME), 3);
  const before = exported(tables);
  // Slot 2 becomes narrow, slot 3 learns by Adam, slot 4 is gone.
  const classes: ClassOptions[] = [
    { slices: [slice(1, SGD, "first_order"), slice(6, ADAM)], slots: [slot(1)] },
    { slices: [slice(1, SGD, "first_order"), slice(2, ADAM)], slots: [slot(2), slot(3)] },
  ];
  const { into, report } = restored(tables, classes);
  assert.deepEqual(into.widths, [7, 3]);
  assert.equal(report.rowsRestored, 27);
  assert.equal(report.rowsOfRemovedSlots, 9, "rows of the slot that is gone");
  assert.deepEqual(report.slicesResized, ["embeddings of slots 2"]);
  assert.deepEqual(report.slicesStateReset, ["embeddings of slots 3"]);
  const rows = exported(into);
  assert.deepEqual(rows.get(idOf(1, 4)), before.get(idOf(1, 4)));
  assert.deepEqual(rows.get(idOf(3, 4)), before.get(idOf(3, 4)));
  const fresh = tablesOf(classes);
  const [initial] = [
    fresh.lookup(grouped([idOf(2, 4)], BatchKernel.create(classNumbers(classes))), "initial"),
  ];
  const moved = rows.get(idOf(2, 4))!;
  assert.equal(moved[0], before.get(idOf(2, 4))![0], "the first-order weight came along");
  assert.deepEqual([...moved.subarray(1)], [...initial.subarray(1)]);
});

Deno.test("one class restores the rows of several, and drops and reports rows of removed slots", () => {
  const tables = tablesOf();
  learn(tables, grouped(SOME), 3);
  const { into, report } = restored(tables, [{
    slices: [slice(1, SGD, "first_order")],
    slots: [slot(1), slot(3), slot(4), slot(5)],
  }]);
  assert.deepEqual([report.slotsAdded, report.slotsRemoved], [[5], [2]]);
  assert.equal(report.rowsRestored, 27);
  assert.equal(report.rowsOfRemovedSlots, 9);
  assert.deepEqual(into.statistics().rows, 27);
  assert.ok([...exported(into).keys()].every((id) => id >> 48n !== 2n));
});

Deno.test("tables that name no slots restore the rows of all slots", () => {
  const tables = tablesOf();
  learn(tables, grouped([...SOME, idOf(77, 1)]), 3);
  const { into, report } = restored(tables, [{
    slices: [slice(1, SGD, "first_order")],
    slots: [],
  }]);
  assert.deepEqual([report.slotsAdded, report.slotsRemoved], [[], []]);
  assert.equal(report.rowsOfRemovedSlots, 0);
  assert.equal(into.statistics().rows, SOME.length + 1);
});

Deno.test("admission counters are restored from the class with most of the slots, in the same size only", () => {
  const counted = (bytesMax: number) =>
    ClassTables.create({
      ...SHARED,
      bytesMax,
      classes: CLASSES.map((each) => ({
        ...each,
        slots: each.slots.map((slot) => ({
          ...slot,
          admission: { kind: "threshold", threshold: 2 } as const,
        })),
      })),
    });
  const twice = (tables: ClassTables) => {
    for (let i = 0; i < 2; i++) learn(tables, grouped([idOf(1, 1), idOf(3, 1)]), 1);
  };
  for (const [bytesMax, expected] of [[SHARED.bytesMax, 2], [SHARED.bytesMax / 2, 0]]) {
    const before = counted(SHARED.bytesMax);
    twice(before);
    assert.equal(before.statistics().rows, 0);
    const after = counted(bytesMax);
    const headers = before.snapshots.begin();
    const chunks: ClassChunk[] = [];
    for (let chunk; (chunk = before.snapshots.nextChunk(2)) !== undefined;) {
      chunks.push(chunk);
      learn(before, grouped([idOf(1, 1), idOf(3, 1)]), 1); // counted after the cut
    }
    const restores = after.restore(headers, { shard: 0, shards: 1, counters: true });
    chunks.forEach((chunk) => restores.take(chunk.class, chunk));
    assert.equal(restores.report().countersComplete, bytesMax === SHARED.bytesMax);
    assert.equal(after.statistics().rows, 0);
    assert.equal(
      tablesOf().restore(headers, { shard: 0, shards: 2 }).report().countersComplete,
      true,
    );
    const elsewhere = counted(bytesMax).restore(headers, { shard: 0, shards: 2 });
    assert.equal(elsewhere.report().countersComplete, false);
    learn(after, grouped([idOf(1, 1), idOf(3, 1)]), 2);
    assert.equal(after.statistics().rows, expected);
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

Deno.test("served rows belong to their classes, under one limit", () => {
  const served = new ClassServingTables({ widths: [2, 1], precision: "fp32", bytesMax: 8 << 20 });
  served.upsert(0, BigUint64Array.of(idOf(1, 1)), Float32Array.of(1, 2));
  served.upsert(1, BigUint64Array.of(idOf(3, 1), idOf(3, 2)), Float32Array.of(3, 4));
  const ids = BigUint64Array.of(idOf(1, 9), idOf(1, 1), idOf(3, 2));
  const { rows, found } = served.lookup({ ids, starts: Uint32Array.of(0, 2, 3) });
  assert.deepEqual([...rows], [0, 0, 1, 2, 4]);
  assert.deepEqual([...found], [0, 1, 1]);
  assert.equal(served.statistics().rows, 3);
  served.remove(1, BigUint64Array.of(idOf(3, 2)));
  assert.equal(served.statistics().rows, 2);
  assert.throws(() => served.lookup({ ids, starts: Uint32Array.of(0, 3) }), /2 classes/);
  served.beginFill();
  served.upsert(1, BigUint64Array.of(idOf(3, 1)), Float32Array.of(5));
  served.endFill();
  const left = served.lookup({
    ids: BigUint64Array.of(idOf(1, 1), idOf(3, 1)),
    starts: Uint32Array.of(0, 1, 2),
  });
  assert.deepEqual([...left.rows], [0, 0, 5]);
  assert.deepEqual([...left.found], [0, 1]);
});

Deno.test("a lookup of served rows reuses the memory of an earlier answer if it is large enough", () => {
  const served = new ClassServingTables({ widths: [2, 1], precision: "fp32", bytesMax: 8 << 20 });
  served.upsert(0, BigUint64Array.of(idOf(1, 1), idOf(1, 2)), Float32Array.of(1, 2, 3, 4));
  served.upsert(1, BigUint64Array.of(idOf(3, 1)), Float32Array.of(5));
  const many = {
    ids: BigUint64Array.of(idOf(1, 1), idOf(1, 2), idOf(3, 1)),
    starts: Uint32Array.of(0, 2, 3),
  };
  const few = {
    ids: BigUint64Array.of(idOf(1, 2), idOf(3, 9)),
    starts: Uint32Array.of(0, 1, 2),
  };
  const first = served.lookup(many);
  assert.deepEqual([...first.rows], [1, 2, 3, 4, 5]);
  const second = served.lookup(few, first);
  assert.equal(second.rows.buffer, first.rows.buffer);
  assert.equal(second.found.buffer, first.found.buffer);
  assert.deepEqual([...second.rows], [3, 4, 0]);
  assert.deepEqual([...second.found], [1, 0]);
  const third = served.lookup(many, second);
  assert.equal(third.rows.buffer, first.rows.buffer, "the memory is as long as it was");
  assert.deepEqual([...third.rows], [1, 2, 3, 4, 5]);
  const larger = served.lookup(many, served.lookup(few));
  assert.deepEqual([...larger.rows], [1, 2, 3, 4, 5]);
});

/**
 * Goal: a snapshot has the rows of all classes, and restores other classes and shards too.
 */
import assert from "node:assert/strict";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import type { ClassChunk } from "../../../kernels/embedding/class_snapshots.ts";
import { type ClassOptions, ClassTables } from "../../../kernels/embedding/class_tables.ts";
import {
  ADAM,
  CLASSES,
  classNumbers,
  exported,
  grouped,
  idOf,
  KERNEL,
  learn,
  SGD,
  SHARED,
  slice,
  slot,
  tablesOf,
} from "./classes_of_slots.ts";

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

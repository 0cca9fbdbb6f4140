/**
 * Goal: the rows that a snapshot copies aside take a quarter of the limit at most, in all classes
 * together, and any class may use it.
 */
import assert from "node:assert/strict";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { type ClassOptions, ClassTables } from "../../../kernels/embedding/class_tables.ts";
import { classNumbers, grouped, idOf, learn, SGD, slice, slot } from "./classes_of_slots.ts";

const WIDTH = 61;
/** Key, stamp and weights; SGD has no state. */
const SAVED_ROW_BYTES = 12 + 4 * WIDTH;
/** Each is a class of its own. */
const SLOTS = [1, 2, 3, 4, 5, 6, 7, 8];
const CLASSES: readonly ClassOptions[] = SLOTS.map((number) => ({
  slices: [slice(WIDTH, SGD)],
  slots: [slot(number)],
}));
const KERNEL = BatchKernel.create(classNumbers(CLASSES));
const BYTES_MAX = 16 << 20;
const ASIDE_BYTES_MAX = BYTES_MAX / 4;
const STEP = 50;

/** Changes `STEP` rows of each slot, of the values from `first` on; returns the number of rows. */
function change(tables: ClassTables, slots: readonly number[], first: number, seconds: number) {
  const values = Array.from({ length: STEP }, (_, i) => first + i);
  const ids = slots.flatMap((slot) => values.map((value) => idOf(slot, value)));
  learn(tables, grouped(ids, KERNEL), seconds);
  return ids.length;
}

/** Tables seven tenths full, and the number of values in each slot. */
function filled() {
  const tables = ClassTables.create({
    seed: 1,
    atLimit: "reject",
    bytesMax: BYTES_MAX,
    classes: CLASSES,
  });
  let values = 0;
  for (; tables.statistics().bytes < 0.7 * BYTES_MAX; values += STEP) {
    change(tables, SLOTS, values, 1);
  }
  return { tables, values };
}

function written(tables: ClassTables): number {
  let rows = 0;
  for (let chunk; (chunk = tables.snapshots.nextChunk(1_000)) !== undefined;) rows += chunk.rows;
  return rows;
}

Deno.test("updates outrun a snapshot once rows of all classes together take a quarter of the limit", () => {
  const { tables, values } = filled();
  tables.snapshots.begin();
  let aside = 0;
  let asideAtHalf = 0;
  for (let first = 0; first < values; first += STEP) {
    aside += change(tables, SLOTS, first, 2) * SAVED_ROW_BYTES;
    if (tables.snapshots.asideShare <= 0.5) asideAtHalf = Math.max(asideAtHalf, aside);
    if (aside > ASIDE_BYTES_MAX) break;
  }
  assert.ok(aside > ASIDE_BYTES_MAX, "the test changes enough rows");
  assert.throws(() => written(tables), RangeError);
  assert.ok(asideAtHalf > ASIDE_BYTES_MAX / 8, `half is used at ${asideAtHalf} bytes`);
  tables.snapshots.end();
  assert.equal(tables.snapshots.asideShare, 0);
});

Deno.test("a snapshot whose chunks are written in time has all rows, while every row changes", () => {
  const { tables, values } = filled();
  const [{ rows: each }] = tables.snapshots.begin();
  let rows = 0;
  for (let first = 0; first < values; first += STEP) {
    change(tables, SLOTS, first, 2);
    while (tables.snapshots.asideShare > 0.5) {
      const chunk = tables.snapshots.nextChunk(1_000);
      assert.ok(chunk !== undefined);
      rows += chunk.rows;
    }
  }
  assert.equal(rows + written(tables), SLOTS.length * each);
});

Deno.test("one class may use memory that the others leave", () => {
  const { tables, values } = filled();
  const headers = tables.snapshots.begin();
  for (let first = 0; first < values; first += STEP) change(tables, [3], first, 2);
  assert.equal(written(tables), headers.reduce((sum, { rows }) => sum + rows, 0));
});

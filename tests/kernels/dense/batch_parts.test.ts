/**
 * The parts of a batch cover its rows, and cut no list that fits into one.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { partsOf } from "../../../kernels/dense/batch_parts.ts";

/** Rows of each part. */
function sizesOf(firstRows: readonly number[], rows: number): number[] {
  return firstRows.map((first, part) => (firstRows[part + 1] ?? rows) - first);
}

Deno.test("parts become smaller, from at most 1,024 rows to at least 384", () => {
  const sizes = (rows: number, threads: number) => sizesOf(partsOf({ rows }, threads), rows);
  assert.deepEqual(sizes(4_096, 2), [1_024, 1_024, 683, 455, 384, 526]);
  assert.deepEqual(sizes(1_024, 2), [384, 384, 256]);
  assert.deepEqual(sizes(1_100, 8), [384, 384, 332]);
  assert.deepEqual(sizes(5_000, 4), [834, 695, 579, 482, 402, 384, 384, 384, 384, 472]);
});

Deno.test("a batch of at most 512 rows is one part, and a batch without rows none", () => {
  assert.deepEqual(partsOf({ rows: 512 }, 2), [0]);
  assert.deepEqual(partsOf({ rows: 1 }, 8), [0]);
  assert.deepEqual(partsOf({ rows: 0 }, 2), []);
});

Deno.test("there are at most 64 parts", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 64 }), (
    rows,
    threads,
  ) => {
    assert.ok(partsOf({ rows }, threads).length <= 64);
  }));
});

Deno.test("parts follow each other from the first row, and none is empty", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 16 }), (
    rows,
    threads,
  ) => {
    const firstRows = partsOf({ rows }, threads);
    assert.equal(firstRows[0], 0);
    assert.ok(sizesOf(firstRows, rows).every((size) => size > 0));
  }));
});

Deno.test("a list is cut only where it is longer than a part", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 30 });
  fc.assert(fc.property(lengths, (lengths) => {
    const lists = Float32Array.from(
      lengths.flatMap((length, list) => new Array<number>(length).fill(list)),
    );
    const rows = lists.length;
    const firstRows = partsOf({ rows, lists }, 4);
    assert.equal(sizesOf(firstRows, rows).reduce((sum, size) => sum + size), rows);
    for (const [part, first] of firstRows.entries()) {
      const size = sizesOf(firstRows, rows)[part];
      assert.ok(size > 0 && size <= 1_024);
      if (first === 0 || lists[first] !== lists[first - 1]) continue;
      const before = first - firstRows[part - 1];
      assert.ok(lengths[lists[first]] > before, "only a list longer than a part is cut");
    }
  }));
});

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

Deno.test("parts are three a thread, of 512 to 1,024 rows, and at most 64", () => {
  assert.deepEqual(sizesOf(partsOf({ rows: 4_096 }, 2), 4_096), [683, 683, 683, 683, 683, 681]);
  assert.deepEqual(sizesOf(partsOf({ rows: 512 }, 2), 512), [512]);
  assert.deepEqual(sizesOf(partsOf({ rows: 1_100 }, 8), 1_100), [512, 512, 76]);
  assert.deepEqual(sizesOf(partsOf({ rows: 16_384 }, 2), 16_384), new Array(16).fill(1_024));
  assert.deepEqual(sizesOf(partsOf({ rows: 131_072 }, 2), 131_072), new Array(64).fill(2_048));
  assert.deepEqual(partsOf({ rows: 0 }, 2), []);
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
    const partRows = Math.min(1_024, Math.max(512, Math.ceil(rows / 12)));
    for (const [part, first] of firstRows.entries()) {
      const size = sizesOf(firstRows, rows)[part];
      assert.ok(size > 0 && size <= partRows);
      if (first === 0 || lists[first] !== lists[first - 1]) continue;
      assert.ok(lengths[lists[first]] > partRows, "only a list longer than a part is cut");
    }
  }));
});

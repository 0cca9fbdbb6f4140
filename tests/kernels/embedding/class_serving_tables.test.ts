/**
 * Goal: served rows belong to their classes, under one memory limit.
 */
import assert from "node:assert/strict";
import { ClassServingTables } from "../../../kernels/embedding/serving_table.ts";
import { idOf } from "./classes_of_slots.ts";

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
  const misfit = served.misfitOfIds({ ids, starts: Uint32Array.of(0, 3) });
  assert.match(misfit?.message ?? "", /2 classes/);
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

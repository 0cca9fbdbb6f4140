/**
 * Goal: the classes of a shard share one stream of deltas.
 */
import assert from "node:assert/strict";
import { ClassTables } from "../../../kernels/embedding/class_tables.ts";
import {
  CLASSES,
  exported,
  follow,
  grouped,
  idOf,
  learn,
  Replica,
  SHARED,
  tablesOf,
} from "./classes_of_slots.ts";

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

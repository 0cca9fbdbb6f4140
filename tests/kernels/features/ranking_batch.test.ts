import assert from "node:assert/strict";
import fc from "fast-check";
import type { FeatureBatch } from "../../../kernels/features/feature_batch.ts";
import { RankingMerger } from "../../../kernels/features/ranking_batch.ts";

const SLOTS = 5;
const DENSE_WIDTH = 2;

type Lists = readonly (readonly number[])[];

const list = fc.array(fc.nat(99), { maxLength: 3 });
const lists = fc.array(list, { minLength: SLOTS, maxLength: SLOTS });

/** Requests as lists of ids by row and slot. */
const requests = fc.array(fc.array(lists, { maxLength: 4 }), { minLength: 1, maxLength: 4 });

const sharedSlots = fc.uniqueArray(fc.nat(SLOTS - 1));

function batchOf(rows: readonly Lists[], number: number): FeatureBatch {
  const all = rows.flat();
  const listOffsets = new Uint32Array(all.length + 1);
  all.forEach((ids, i) => listOffsets[i + 1] = listOffsets[i] + ids.length);
  return {
    rows: rows.length,
    ids: BigUint64Array.from(all.flat(), BigInt),
    listOffsets,
    dense: Float32Array.from({ length: rows.length * DENSE_WIDTH }, (_, i) => 100 * number + i),
  };
}

/** The lists that offsets divide ids into. */
function listsOf(ids: BigUint64Array, offsets: Uint32Array): number[][] {
  return Array.from(
    { length: offsets.length - 1 },
    (_, i) => Array.from(ids.subarray(offsets[i], offsets[i + 1]), Number),
  );
}

Deno.test("merged rankings have the own lists of each row and the shared lists of each ranking, whatever was merged before", () => {
  fc.assert(fc.property(sharedSlots, fc.array(requests, { minLength: 1 }), (shared, passes) => {
    const merger = new RankingMerger({ slots: SLOTS, denseWidth: DENSE_WIDTH }, shared);
    const isShared = (slot: number) => shared.includes(slot);
    for (const drawn of passes) {
      // All rows of a request have the shared lists of its first row.
      const rankings = drawn.map((rows) =>
        rows.map((row) => row.map((ids, slot) => isShared(slot) ? rows[0][slot] : ids))
      );
      const batches = rankings.map(batchOf);
      const merged = merger.merge(batches);
      const rows = rankings.flat();
      assert.equal(merged.rows, rows.length);
      assert.equal(merged.rankings, rankings.length);
      assert.deepEqual(
        [...merged.rankingOfRow],
        rankings.flatMap((rows, ranking) => rows.map(() => ranking)),
      );
      assert.deepEqual([...merged.dense], batches.flatMap(({ dense }) => [...dense]));
      const { own, shared } = merged;
      assert.equal(own.ids + shared.ids, merged.ids.length);
      assert.deepEqual(
        listsOf(merged.ids.subarray(0, own.ids), own.listOffsets),
        rows.flatMap((row) => row.filter((_, slot) => !isShared(slot))),
      );
      const none: Lists = Array.from({ length: SLOTS }, () => []);
      assert.deepEqual(
        listsOf(merged.ids.subarray(own.ids), shared.listOffsets),
        rankings.flatMap((rows) => (rows[0] ?? none).filter((_, slot) => isShared(slot))),
      );
    }
  }));
});

Deno.test("slots are divided in their order", () => {
  const { slots } = new RankingMerger({ slots: SLOTS, denseWidth: 0 }, [3, 0]);
  assert.deepEqual(slots, { own: [1, 2, 4], shared: [0, 3] });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { type OrderWithNewItems, withNewItems } from "../../rules/new_item_positions.ts";

const ids = Array.from({ length: 30 }, (_, i) => `i${i}`);

/** Thirty items, the last ten of them new. */
function order(change: Partial<OrderWithNewItems> = {}): OrderWithNewItems {
  return {
    rows: Uint32Array.from(ids.keys()),
    ids,
    rankingId: "r",
    share: 0.15,
    positions: 10,
    isNew: (row) => row >= 20,
    mayMove: () => true,
    fits: () => true,
    ...change,
  };
}

const RANKINGS = 20_000;

/** How often each item and each position was taken by a new item. */
function counted(change: Partial<OrderWithNewItems> = {}) {
  const [byItem, byPosition] = [new Map<number, number>(), new Map<number, number>()];
  const add = (map: Map<number, number>, key: number) => map.set(key, (map.get(key) ?? 0) + 1);
  for (let i = 0; i < RANKINGS; i++) {
    const asked = order({ rankingId: `ranking-${i}`, ...change });
    withNewItems(asked).rows.subarray(0, asked.positions).forEach((row, at) => {
      if (!asked.isNew(row)) return;
      add(byItem, row);
      add(byPosition, at);
    });
  }
  return { byItem, byPosition };
}

const sum = (map: ReadonlyMap<number, number>) => [...map.values()].reduce((a, b) => a + b, 0);

function assertAlike(counts: ReadonlyMap<number, number>, keys: number): void {
  const expected = sum(counts) / keys;
  assert.equal(counts.size, keys);
  // Five standard deviations of a count.
  for (const [key, count] of counts) {
    assert.ok(
      Math.abs(count - expected) < 5 * Math.sqrt(expected),
      `${key}: ${count}, ${expected}`,
    );
  }
}

Deno.test("over many rankings, new items have the stated share of the positions", () => {
  for (const share of [0.03, 0.15, 0.5]) {
    const reached = sum(counted({ share }).byItem) / (10 * RANKINGS);
    assert.ok(Math.abs(reached - share) < 0.003, `${share}: ${reached}`);
  }
});

Deno.test("each new item and each position has the same chance, which is told", () => {
  const { byItem, byPosition } = counted();
  assertAlike(byItem, 10);
  assertAlike(byPosition, 10);
  const { moved } = withNewItems(order({ share: 0.2 }));
  assert.deepEqual(moved.map(({ chance }) => chance), [0.2, 0.2]);
  const withRanked = withNewItems(order({ share: 0.5, isNew: (row) => row >= 20 || row < 3 }));
  assert.deepEqual(withRanked.moved.map(({ chance }) => chance), [0.2, 0.2]);
});

Deno.test("new items that the order has already count, and are not moved", () => {
  const isNew = (row: number) => row < 4 || row >= 25;
  const { rows, moved, ranked } = withNewItems(order({ share: 0.3, isNew }));
  assert.deepEqual([...rows], [...ids.keys()]);
  assert.deepEqual([moved.length, ranked], [0, 4]);
});

Deno.test("positions without a new item for them are told", () => {
  const isNew = (row: number) => row === 29;
  const { moved, missing } = withNewItems(order({ share: 0.3, isNew }));
  assert.deepEqual([moved.length, missing], [1, 2]);
  assert.equal(withNewItems(order({ share: 0.3, mayMove: () => false })).missing, 3);
});

Deno.test("a ranking's id decides the order", () => {
  fc.assert(fc.property(
    fc.string(),
    fc.double({ min: 0.01, max: 1, noNaN: true }),
    fc.integer({ min: 0, max: 30 }),
    fc.uniqueArray(fc.integer({ min: 0, max: 29 })),
    (rankingId, share, positions, fresh) => {
      const isNew = (row: number) => fresh.includes(row);
      const asked = order({ rankingId, share, positions, isNew });
      const found = withNewItems(asked);
      assert.deepEqual(found, withNewItems({ ...asked }));
      assert.deepEqual([...found.rows].sort((a, b) => a - b), [...ids.keys()]);
      const others = (rows: Uint32Array) => [...rows].filter((row) => !isNew(row));
      assert.deepEqual(others(found.rows), others(asked.rows), "all others keep their order");
      const head = [...found.rows.subarray(0, positions)].filter(isNew).length;
      assert.equal(head, found.ranked + found.moved.length);
      const least = Math.floor(share * positions);
      assert.ok(head + found.missing >= least);
      assert.ok(found.moved.length === 0 || head <= least + 1);
      assert.ok(found.moved.every(({ chance }) => chance > 0 && chance <= 1));
    },
  ));
});

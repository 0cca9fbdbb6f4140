/**
 * Goal: updates give the same rows whether or not a lookup of their ids came before. Method: apply
 * the same random operations to two tables, only one of which is asked for rows to learn from.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";

const WIDTH = 3;
/** Updates come this much later, so that rows expire between a lookup and its update. */
const SECONDS = 20;

type Operation =
  | { kind: "lookup"; first: number; count: number }
  /** Updates the ids of one of the last lookups, or the same ids reversed between the ends. */
  | { kind: "update"; back: number; isReversed: boolean; seconds: number }
  | { kind: "remove"; first: number; count: number }
  | { kind: "evictExpired" };

const first = fc.nat(1_200), count = fc.integer({ min: 1, max: 700 });
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("lookup" as const), first, count }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("update" as const),
        back: fc.nat(5),
        isReversed: fc.boolean(),
        seconds: fc.nat(SECONDS),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("remove" as const),
        first,
        count: fc.integer({ min: 1, max: 60 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("evictExpired" as const) }) },
  ),
  { minLength: 8, maxLength: 60 },
);

/** Ids of slot 1, whose rows expire, and of slot 2, whose rows need two occurrences. */
const idsFrom = (first: number, count: number) =>
  BigUint64Array.from({ length: count }, (_, i) => {
    const number = first + i;
    return BigInt(1 + number % 2) << 48n | BigInt(number * 2_654_435_761 % 2 ** 40);
  });

function reversedBetweenTheEnds(ids: BigUint64Array<ArrayBuffer>) {
  const other = ids.slice();
  other.subarray(1, -1).reverse();
  return other;
}

const openTable = () =>
  EmbeddingTable.create({
    seed: 7,
    slices: [{
      name: "embeddings",
      dim: WIDTH,
      initializer: { kind: "uniform", low: -0.5, high: 0.5 },
      optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 0.1 },
    }],
    slots: [
      { number: 1, admission: { kind: "threshold", threshold: 0 }, expirySeconds: 2 * SECONDS },
      { number: 2, admission: { kind: "threshold", threshold: 2 } },
    ],
    bytesMax: 1 << 26,
    atLimit: "evictLeastRecentlyUsed",
  });

Deno.test("updates give the same rows whether or not a lookup of their ids came before", () => {
  fc.assert(
    fc.property(operations, (sequence) => {
      const asked = openTable(), other = openTable();
      const recent: BigUint64Array<ArrayBuffer>[] = [idsFrom(0, 400)];
      let seconds = 1_000;
      for (const operation of sequence) {
        switch (operation.kind) {
          case "lookup": {
            const ids = idsFrom(operation.first, operation.count);
            asked.lookup(ids, new Float32Array(ids.length * WIDTH), "initial");
            recent.unshift(ids);
            break;
          }
          case "update": {
            const chosen = recent[Math.min(operation.back, recent.length - 1)];
            const ids = operation.isReversed ? reversedBetweenTheEnds(chosen) : chosen;
            seconds += operation.seconds;
            const gradients = Float32Array.from(
              { length: ids.length * WIDTH },
              (_, i) => Math.sin(i + seconds),
            );
            const counts = new Uint32Array(ids.length).fill(1);
            for (const table of [asked, other]) {
              table.applyGradients(ids, gradients, counts, seconds);
            }
            break;
          }
          case "remove": {
            const ids = idsFrom(operation.first, operation.count);
            assert.equal(asked.remove(ids), other.remove(ids));
            break;
          }
          case "evictExpired":
            assert.equal(asked.evictExpired(20), other.evictExpired(20));
        }
      }
      const all = idsFrom(0, 2_000);
      const [rows, expected] = [asked, other].map((table) => {
        const out = new Float32Array(all.length * WIDTH);
        const found = new Uint8Array(all.length);
        table.lookup(all, out, "zeros", found);
        return { out, found };
      });
      assert.deepEqual(rows, expected);
      const { lookups: _, missing: __, bytes: ___, ...counts } = asked.statistics();
      const { lookups: _a, missing: _b, bytes: _c, ...expectedCounts } = other.statistics();
      assert.deepEqual(counts, expectedCounts);
    }),
    { numRuns: 25 },
  );
});

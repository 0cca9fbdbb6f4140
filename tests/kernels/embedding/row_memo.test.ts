/**
 * Goal: tables with a memo of recent rows find the right rows. Method: look up popular ids while
 * rows are inserted and removed, and compare with a plain Map.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { ServingTable } from "../../../kernels/embedding/serving_table.ts";

/** Enough rows for a table to start its memo. */
const ROWS = 33_000;

type Operation =
  | { kind: "lookup"; first: number; repeats: number }
  | { kind: "remove"; first: number; count: number }
  | { kind: "upsert"; first: number; count: number };

const first = fc.oneof({ weight: 3, arbitrary: fc.nat(300) }, {
  weight: 1,
  arbitrary: fc.nat(ROWS),
});
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("lookup" as const),
        first,
        repeats: fc.integer({ min: 1, max: 8 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("remove" as const), first, count: fc.nat(200) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("upsert" as const), first, count: fc.nat(2_000) }),
    },
  ),
  { minLength: 10, maxLength: 60 },
);

/** Ids in a row, `count` of them. */
const idsFrom = (first: number, count: number) =>
  BigUint64Array.from({ length: count }, (_, i) => BigInt(first + i));

Deno.test("rows looked up repeatedly are the right ones, while others are inserted and removed", () => {
  fc.assert(
    fc.property(operations, (sequence) => {
      const table = ServingTable.create({ width: 1, precision: "fp32", bytesMax: 1 << 26 });
      const model = new Map<bigint, number>();
      let version = 0;
      const upsert = (ids: BigUint64Array<ArrayBuffer>) => {
        version++;
        table.upsert(ids, Float32Array.from(ids, (id) => Number(id) * 64 + version % 64));
        for (const id of ids) model.set(id, Math.fround(Number(id) * 64 + version % 64));
      };
      upsert(idsFrom(0, ROWS));
      for (const operation of sequence) {
        if (operation.kind === "upsert") {
          upsert(idsFrom(operation.first * 2, operation.count));
        } else if (operation.kind === "remove") {
          const ids = idsFrom(operation.first, operation.count);
          table.remove(ids);
          for (const id of ids) model.delete(id);
        } else {
          for (let repeat = 0; repeat < operation.repeats; repeat++) {
            const ids = idsFrom(operation.first, 300 + repeat);
            const rows = new Float32Array(ids.length), found = new Uint8Array(ids.length);
            table.lookup(ids, rows, found);
            ids.forEach((id, i) => {
              assert.equal(found[i], Number(model.has(id)), `id ${id}`);
              assert.equal(rows[i], model.get(id) ?? 0, `id ${id}`);
            });
          }
        }
      }
    }),
    { numRuns: 20 },
  );
});

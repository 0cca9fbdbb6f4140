/** Goal: batch primitives equal plain TypeScript, to the bit. Method: random batches. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";

const kernel = BatchKernel.create();

const ids = fc.array(
  fc.oneof(
    fc.bigInt({ min: 0n, max: 20n }),
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.constantFrom(0n, 1n << 63n, (1n << 64n) - 1n),
  ),
  { maxLength: 300 },
).map((list) => BigUint64Array.from(list));

Deno.test("unique ids are the set of the batch's ids, with counts and the index of every id", () => {
  fc.assert(fc.property(ids, fc.integer({ min: 1, max: 70 }), (batch, shards) => {
    const { uniqueIds, groupStarts, inverse, counts } = kernel.unique(batch, shards);
    assert.equal(groupStarts.length, shards + 1);
    assert.equal(groupStarts[0], 0);
    assert.equal(groupStarts[shards], uniqueIds.length);
    assert.deepEqual(new Set(uniqueIds), new Set(batch));
    assert.equal(uniqueIds.length, new Set(batch).size);
    const expected = new Uint32Array(uniqueIds.length);
    batch.forEach((id, index) => {
      assert.equal(uniqueIds[inverse[index]], id);
      expected[inverse[index]] += 1;
    });
    assert.deepEqual(counts, expected);
    // Read before the kernel's next call, the same lies in its memory.
    assert.deepEqual(kernel.uniqueView(batch, shards), {
      uniqueIds,
      groupStarts,
      inverse,
      counts,
    });
  }));
});

Deno.test("an id's shard depends on the id alone", () => {
  fc.assert(fc.property(ids, ids, fc.integer({ min: 1, max: 64 }), (first, second, shards) => {
    const shardById = new Map<bigint, number>();
    for (const batch of [first, second]) {
      const { uniqueIds, groupStarts } = kernel.unique(batch, shards);
      for (let shard = 0; shard < shards; shard++) {
        for (const id of uniqueIds.subarray(groupStarts[shard], groupStarts[shard + 1])) {
          assert.equal(shardById.get(id) ?? shard, shard);
          shardById.set(id, shard);
        }
      }
    }
  }));
});

Deno.test("ids are grouped by shard and then by the class of their slot, unnamed slots with the first", () => {
  const byClass = BatchKernel.create([{ slots: [1] }, { slots: [2, 3] }, { slots: [4] }]);
  const classOf = (id: bigint) => [0, 0, 1, 1, 2][Number(id >> 48n)] ?? 0;
  const slotted = fc.array(
    fc.tuple(fc.bigInt({ min: 0n, max: 6n }), fc.bigInt({ min: 0n, max: 40n })),
    { maxLength: 200 },
  ).map((list) => BigUint64Array.from(list, ([slot, value]) => (slot << 48n) | value));
  fc.assert(fc.property(slotted, fc.integer({ min: 1, max: 5 }), (batch, shards) => {
    const plain = kernel.unique(batch, shards);
    const { uniqueIds, groupStarts, inverse } = byClass.unique(batch, shards);
    assert.equal(groupStarts.length, shards * 3 + 1);
    batch.forEach((id, index) => assert.equal(uniqueIds[inverse[index]], id));
    for (let shard = 0; shard < shards; shard++) {
      const own = uniqueIds.subarray(groupStarts[shard * 3], groupStarts[shard * 3 + 3]);
      const expected = plain.uniqueIds.subarray(
        plain.groupStarts[shard],
        plain.groupStarts[shard + 1],
      );
      assert.deepEqual(new Set(own), new Set(expected));
      assert.deepEqual([...own].map(classOf), [...own].map(classOf).sort());
    }
  }));
});

Deno.test("a number of shards out of range is refused, and the kernel goes on", () => {
  assert.throws(() => kernel.unique(new BigUint64Array(1), 0), /length is out of range/);
  assert.equal(kernel.unique(BigUint64Array.of(7n), 1).uniqueIds[0], 7n);
});

Deno.test("CRC-32C of a text in any two pieces equals the published value", () => {
  const bytes = new TextEncoder().encode("123456789");
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.equal(kernel.crc32c(bytes.subarray(0, cut), bytes.slice(cut).buffer), 0xE3069283);
  }
  const long = new Uint8Array(3_000_000).map((_, index) => index * 7);
  assert.equal(
    kernel.crc32c(long),
    kernel.crc32c(long.subarray(0, 1_048_577), long.subarray(1_048_577)),
  );
});

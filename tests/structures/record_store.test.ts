import assert from "node:assert/strict";
import fc from "fast-check";
import { type RecordAddress, RecordStore } from "../../structures/record_store.ts";

function put(store: RecordStore, record: Uint8Array): RecordAddress {
  const address = store.reserve(record.byteLength);
  bytesAt(store, address, record.byteLength).set(record);
  return address;
}

function bytesAt(store: RecordStore, address: RecordAddress, bytes: number): Uint8Array {
  const begin = 8 * store.beginOf(address);
  return store.chunkOf(address).memory.bytes.subarray(begin, begin + bytes);
}

Deno.test("a record that was not removed reads back as it was put, whatever is reserved and removed around it", () => {
  const steps = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 90_000 }), large: fc.boolean(), goes: fc.nat() }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(fc.property(steps, (steps) => {
    const store = new RecordStore();
    const held: { readonly address: RecordAddress; readonly record: Uint8Array }[] = [];
    steps.forEach(({ bytes, large, goes }, step) => {
      const record = new Uint8Array(large ? 4 * bytes : bytes).fill(step + 1);
      held.push({ address: put(store, record), record });
      if (goes % 2 === 0) {
        const [gone] = held.splice(goes % held.length, 1);
        store.remove(gone.address, gone.record.byteLength);
      }
      for (const { address, record } of held) {
        assert.deepEqual(new Uint8Array(bytesAt(store, address, record.byteLength)), record);
      }
    });
  }));
});

Deno.test("the memory of records that are removed in the order in which they came is used again", () => {
  const store = new RecordStore();
  const record = new Uint8Array(10_000);
  const addresses: RecordAddress[] = [];
  const chunks = new Set<unknown>();
  for (let i = 0; i < 10_000; i++) {
    const address = put(store, record);
    chunks.add(store.chunkOf(address));
    addresses.push(address);
    if (addresses.length > 100) store.remove(addresses.shift()!, record.byteLength);
  }
  assert.ok(chunks.size <= 8, `${chunks.size} chunks`);
});

Deno.test("moving the records of sparse chunks keeps the memory within twice the records", () => {
  const step = fc.record({
    bytes: fc.integer({ min: 1, max: 20_000 }),
    goes: fc.nat(),
    keeps: fc.nat(30),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 200, maxLength: 600 }), (steps) => {
      const store = new RecordStore();
      const held = new Map<RecordAddress, Uint8Array>();
      for (const [i, { bytes, goes, keeps }] of steps.entries()) {
        const record = new Uint8Array(bytes).fill(i + 1);
        held.set(put(store, record), record);
        if (keeps > 0) {
          const address = [...held.keys()][goes % held.size];
          store.remove(address, held.get(address)!.byteLength);
          held.delete(address);
        }
        for (let sparse = store.takeSparse(); sparse !== undefined; sparse = store.takeSparse()) {
          const { begin, records } = sparse;
          const chunk = store.chunkOf(begin);
          const moved = [...held].filter(([address]) => store.chunkOf(address) === chunk);
          assert.equal(moved.length, records);
          for (const [address, record] of moved) {
            const to = put(store, new Uint8Array(bytesAt(store, address, record.byteLength)));
            store.remove(address, record.byteLength);
            held.delete(address);
            held.set(to, record);
          }
        }
      }
      for (const [address, record] of held) {
        assert.deepEqual(new Uint8Array(bytesAt(store, address, record.byteLength)), record);
      }
      const used = [...held.values()].reduce((sum, { byteLength }) => sum + byteLength + 8, 0);
      assert.ok(store.bytes <= 2 * used + 18 * 2 ** 18, `${store.bytes} bytes for ${used}`);
    }),
    { numRuns: 30 },
  );
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { type RecordPlace, RecordStore } from "../../structures/record_store.ts";

function put(store: RecordStore, record: Uint8Array): RecordPlace {
  const place = store.reserve(record.byteLength);
  bytesAt(store, place, record.byteLength).set(record);
  return place;
}

function bytesAt(store: RecordStore, place: RecordPlace, bytes: number): Uint8Array {
  const begin = 8 * store.beginOf(place);
  return store.chunkOf(place).memory.bytes.subarray(begin, begin + bytes);
}

Deno.test("a record that was not let go reads back as it was put, whatever came and went around it", () => {
  const steps = fc.array(
    fc.record({ bytes: fc.integer({ min: 1, max: 90_000 }), large: fc.boolean(), goes: fc.nat() }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(fc.property(steps, (steps) => {
    const store = new RecordStore();
    const held: { readonly place: RecordPlace; readonly record: Uint8Array }[] = [];
    steps.forEach(({ bytes, large, goes }, step) => {
      const record = new Uint8Array(large ? 4 * bytes : bytes).fill(step + 1);
      held.push({ place: put(store, record), record });
      if (goes % 2 === 0) store.remove(held.splice(goes % held.length, 1)[0].place);
      for (const { place, record } of held) {
        assert.deepEqual(new Uint8Array(bytesAt(store, place, record.byteLength)), record);
      }
    });
  }));
});

Deno.test("the room of records that went in the order in which they came is used again", () => {
  const store = new RecordStore();
  const record = new Uint8Array(10_000);
  const places: RecordPlace[] = [];
  const chunks = new Set<unknown>();
  for (let i = 0; i < 10_000; i++) {
    const place = put(store, record);
    chunks.add(store.chunkOf(place));
    places.push(place);
    if (places.length > 100) store.remove(places.shift()!);
  }
  assert.ok(chunks.size <= 8, `${chunks.size} chunks`);
});

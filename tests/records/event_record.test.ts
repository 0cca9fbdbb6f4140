import assert from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { decodeEvent, encodeEvent, encodeStampable } from "../../records/event_record.ts";
import { packEvents, unpackEvents } from "../../records/remembered_events.ts";
import { action, impression } from "../actors/joiner/records.ts";

const remembered = [
  { id: { low: 1, high: 2 }, content: { low: 3, high: 0xffff_ffff }, acceptedAtMs: 1.7e12 + 0.5 },
  { id: { low: 0xffff_ffff, high: 0 }, content: { low: 0, high: 4 }, acceptedAtMs: 8 },
];

Deno.test("remembered events are unpacked as they were packed, and a cut one is refused", () => {
  const bytes = packEvents(remembered);
  assert.deepEqual(unpackEvents(bytes), remembered);
  assert.throws(() => unpackEvents(bytes.subarray(0, 47)), RangeError);
});

Deno.test("records are read from the log as they were written", () => {
  for (
    const record of [
      impression({ ranking: "r", items: ["a", "\ufeffb"], atMs: 7 }),
      { ...impression({ ranking: "r", items: ["a"], atMs: 7 }), logSampleRate: Math.log(0.1) },
      {
        ...impression({ ranking: "r", items: ["a"], atMs: 7 }),
        newItems: [{ index: 0, chance: 0.25 }],
      },
      action({ ranking: "r", item: "a", action: "rating", value: 3.5, atMs: 8 }),
      { kind: "remembered", events: packEvents(remembered), atMs: 9, acceptedAtMs: 9 } as const,
      { kind: "remembered", events: packEvents([]), atMs: 9, acceptedAtMs: 9 } as const,
    ]
  ) assert.deepEqual(decodeEvent(encodeEvent(record)), record);
});

Deno.test("the log can put another acceptance time into a record that ends with it", () => {
  const record = action({ ranking: "r", item: "a", action: "rating", value: 3.5, atMs: 8 });
  for (const acceptedAtMs of [0, 7, 1.7e12, 1.7e12 + 1 / 1024]) {
    const bytes = encodeStampable({ ...record, acceptedAtMs });
    assert.deepEqual(decodeEvent(bytes), { ...record, acceptedAtMs });
    new DataView(bytes.buffer, bytes.byteOffset).setFloat64(bytes.byteLength - 8, 9.5);
    assert.deepEqual(decodeEvent(bytes), { ...record, acceptedAtMs: 9.5 });
  }
});

Deno.test("a record with a missing or wrong field is refused", () => {
  for (
    const record of [
      impression({ ranking: "r", items: ["a"], atMs: 7 }),
      action({ ranking: "r", item: "a", action: "rating", atMs: 8 }),
    ]
  ) {
    for (const field of Object.keys(record)) {
      const { [field]: value, ...others } = record as unknown as Record<string, unknown>;
      assert.ok(value !== undefined);
      assert.throws(() => decodeEvent(encode(others)), RangeError, `without ${field}`);
      for (const wrong of [null, true, [value], NaN]) {
        assert.throws(() => decodeEvent(encode({ ...others, [field]: wrong })), RangeError, field);
      }
    }
  }
  for (const logSampleRate of [0.5, NaN, -Infinity, "0"]) {
    const record = { ...impression({ ranking: "r", items: ["a"], atMs: 7 }), logSampleRate };
    assert.throws(() => decodeEvent(encode(record)), RangeError, String(logSampleRate));
  }
  for (const events of [new Uint8Array(25), packEvents(remembered).subarray(1), "text"]) {
    const record = { kind: "remembered", events, atMs: 9, acceptedAtMs: 9 };
    assert.throws(() => decodeEvent(encode(record)), RangeError);
  }
  for (
    const moved of [null, {}, { index: 0 }, { index: 0.5, chance: 1 }, { index: 0, chance: 0 }]
  ) {
    const record = { ...impression({ ranking: "r", items: ["a"], atMs: 7 }), newItems: [moved] };
    assert.throws(() => decodeEvent(encode(record)), RangeError, JSON.stringify(moved));
  }
  for (const other of [null, 7, "text", [], {}]) {
    assert.throws(() => decodeEvent(encode(other)), RangeError);
  }
});

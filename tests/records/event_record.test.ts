import assert from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { decodeEvent, encodeEvent, encodeStampable } from "../../records/event_record.ts";
import { action, impression } from "../actors/joiner/records.ts";

Deno.test("records are read from the log as they were written", () => {
  for (
    const record of [
      impression({ ranking: "r", items: ["a", "\ufeffb"], atMs: 7 }),
      { ...impression({ ranking: "r", items: ["a"], atMs: 7 }), logSampleRate: Math.log(0.1) },
      action({ ranking: "r", item: "a", action: "rating", value: 3.5, atMs: 8 }),
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
  for (const other of [null, 7, "text", [], {}]) {
    assert.throws(() => decodeEvent(encode(other)), RangeError);
  }
});

import assert from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { decodeEvent, encodeEvent } from "../../records/event_record.ts";
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

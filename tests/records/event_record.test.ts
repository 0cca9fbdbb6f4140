import assert from "node:assert/strict";
import { decodeEvent, encodeEvent } from "../../records/event_record.ts";
import { action, impression } from "../actors/joiner/records.ts";

Deno.test("records are read from the log as they were written", () => {
  for (
    const record of [
      impression({ ranking: "r", items: ["a", "\ufeffb"], atMs: 7 }),
      action({ ranking: "r", item: "a", action: "rating", value: 3.5, atMs: 8 }),
    ]
  ) assert.deepEqual(decodeEvent(encodeEvent(record)), record);
});

/** `parseJson` against `JSON.parse`: the same values and the same error messages. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJson } from "../../../gateway/parsing/request_body.ts";

function outcome(parse: (text: string) => unknown, text: string): unknown {
  try {
    return { read: parse(text) };
  } catch (error) {
    return { refused: (error as Error).name, because: (error as Error).message };
  }
}

function assertReadAlike(text: string) {
  assert.deepEqual(outcome(parseJson, text), outcome(JSON.parse, text), JSON.stringify(text));
}

Deno.test("any JSON text gives the same value", () => {
  fc.assert(fc.property(fc.json({ stringUnit: "binary" }), assertReadAlike));
});

Deno.test("a text that is not JSON is refused, also one that is JSON inside a list", () => {
  for (
    const text of [
      "",
      " ",
      "1,2",
      "1],[2",
      "],[",
      "]",
      "1]",
      ",",
      ",1",
      "{}{}",
      "[1",
      "\u0100",
      "1,",
    ]
  ) assertReadAlike(text);
});

Deno.test("a mutated JSON text gives the same value or the same error", () => {
  const change = fc.record({
    at: fc.nat(200),
    insert: fc.constantFrom("", ",", "]", "[", "{", "}", '"', ":", "1", "\\", " ", "\u2028", "ü"),
    remove: fc.nat(2),
  });
  fc.assert(fc.property(fc.json(), fc.array(change, { maxLength: 3 }), (json, changes) => {
    let text = json;
    for (const { at, insert, remove } of changes) {
      const index = at % (text.length + 1);
      text = text.slice(0, index) + insert + text.slice(index + remove);
    }
    assertReadAlike(text);
  }));
});

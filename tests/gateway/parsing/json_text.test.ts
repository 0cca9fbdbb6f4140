/** What is read is what `JSON.parse` reads, and what it refuses is refused in the same words. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseJson } from "../../../gateway/parsing/json_text.ts";

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

Deno.test("any JSON is read as it is", () => {
  fc.assert(fc.property(fc.json({ stringUnit: "binary" }), assertReadAlike));
});

Deno.test("what is no JSON is refused, also where it would be within a list", () => {
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

Deno.test("a JSON text in which something was changed is read or refused as before", () => {
  const change = fc.record({
    at: fc.nat(200),
    insert: fc.constantFrom("", ",", "]", "[", "{", "}", '"', ":", "1", "\\", " ", "\u2028", "ü"),
    remove: fc.nat(2),
  });
  fc.assert(fc.property(fc.json(), fc.array(change, { maxLength: 3 }), (json, changes) => {
    let text = json;
    for (const { at, insert, remove } of changes) {
      const place = at % (text.length + 1);
      text = text.slice(0, place) + insert + text.slice(place + remove);
    }
    assertReadAlike(text);
  }));
});

/**
 * The scan of JSON texts against values whose keys and levels are counted by walking them.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  countKeys,
  repeatedKey,
  SCAN_DEPTH_MAX,
  scanJson,
} from "../../../gateway/parsing/json_scan.ts";

const scan = (text: string) => scanJson(new TextEncoder().encode(text));

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function keysPerObject(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Math.max(own, ...Object.values(value).map(keysPerObject));
}

Deno.test("keys and depth of a JSON text are those of its value", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), fc.constantFrom(0, 2), (value, indent) => {
      const text = JSON.stringify(value, undefined, indent);
      const parsed: unknown = JSON.parse(text);
      assert.deepEqual(scan(text), {
        keys: countKeys(parsed),
        keysPerObject: keysPerObject(parsed),
        depth: depthOf(parsed),
      });
      assert.equal(repeatedKey(text), undefined);
    }),
  );
});

Deno.test("a repeated key is found and named, however it is written", () => {
  const texts = {
    '{"a":1,"a":2}': "a",
    '[{"x":{"b":1},"y":[{"b":1,"c:":[],"c:":"{"}]}]': "c:",
    '{"q\\"":1, "u":"\\\\", "\\u0071\\"" : 2}': 'q"',
    '{"__proto__":1,"__proto__":2}': "__proto__",
  };
  for (const [text, key] of Object.entries(texts)) {
    assert.equal(repeatedKey(text), key, text);
    assert.equal(scan(text).keys, countKeys(JSON.parse(text)) + 1, text);
  }
});

Deno.test("any bytes are scanned, and no deeper than the limit", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void scanJson(bytes)));
  assert.equal(scan("[".repeat(100_000)).depth, SCAN_DEPTH_MAX + 1);
  assert.equal(scan("]".repeat(100) + "[]").depth, 1);
});

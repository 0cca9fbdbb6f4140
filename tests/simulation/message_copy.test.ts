import assert from "node:assert/strict";
import fc from "fast-check";
import { messageCopy } from "../../simulation/world/message_copy.ts";

const view = fc.oneof(
  fc.uint8Array(),
  fc.float32Array({ noNaN: true }),
  fc.bigUint64Array(),
  fc.uint32Array(),
);
const leaf = fc.oneof(
  view as fc.Arbitrary<unknown>,
  fc.anything({ withDate: true, withMap: true, withSet: true, withBigInt: true, maxDepth: 1 }),
);
const message = fc.dictionary(
  fc.string(),
  fc.oneof(leaf, fc.array(leaf), fc.dictionary(fc.string(), leaf)),
);

/** The copy, or the name of the error. */
function outcome(copy: () => unknown): unknown {
  try {
    return copy();
  } catch (error) {
    return (error as Error).name;
  }
}

Deno.test("a message is copied as the engine copies it, whatever it holds", () => {
  fc.assert(fc.property(message, (value) => {
    assert.deepEqual(outcome(() => messageCopy(value)), outcome(() => structuredClone(value)));
  }));
  for (const odd of [() => 1, { f: () => 1 }, [Symbol("a")], new Error("odd"), [1, , 3]]) {
    assert.deepEqual(outcome(() => messageCopy(odd)), outcome(() => structuredClone(odd)));
  }
});

Deno.test("a copy shares nothing with the message, and its views share what the message's share", () => {
  const buffer = new ArrayBuffer(16);
  const sent = { bytes: new Uint8Array(buffer, 4, 8), words: new Uint32Array(buffer) };
  const copy = messageCopy(sent) as typeof sent;
  assert.equal(copy.bytes.buffer, copy.words.buffer);
  sent.bytes[0] = 7;
  assert.equal(copy.bytes[0], 0);
  copy.words[1] = 9;
  assert.equal(copy.bytes[0], 9);
});

Deno.test("transferred buffers are gone at the sender", () => {
  const sent = { rows: Float32Array.of(1, 2), kept: Uint8Array.of(3) };
  const copy = messageCopy(sent, [sent.rows.buffer]) as typeof sent;
  assert.deepEqual([...copy.rows, ...copy.kept], [1, 2, 3]);
  assert.ok(sent.rows.buffer.detached);
  assert.equal(sent.kept.length, 1);
  assert.throws(() => messageCopy(sent, [sent.rows.buffer]), { name: "DataCloneError" });
});

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type EncodedValue,
  FrameTooLargeError,
  MalformedFrameError,
  NotSendableError,
} from "../../../../mesh/adapters/tcp/encoded_value.ts";
import { ValueDecoder } from "../../../../mesh/adapters/tcp/value_decoder.ts";
import { ValueEncoder } from "../../../../mesh/adapters/tcp/value_encoder.ts";
import { ActorFailedError } from "../../../../mesh/runtime/errors.ts";

const encoder = new ValueEncoder();
const decoder = new ValueDecoder();
const roundTrip = (value: unknown) => decoder.decode(encoder.encode(value));

/** Arrays of all kinds, some of them views into a larger buffer. */
const typedArrays = fc.oneof(
  ...[fc.uint8Array(), fc.float32Array(), fc.uint32Array(), fc.float64Array(), fc.int32Array()],
  ...[fc.uint16Array(), fc.int16Array(), fc.int8Array(), fc.uint8ClampedArray()],
  ...[fc.bigInt64Array(), fc.bigUint64Array()],
  fc.tuple(fc.nat(5), fc.nat(9)).map(([offset, length]) =>
    new Float32Array(new ArrayBuffer(80), 4 * offset, length).fill(offset + length)
  ),
) as fc.Arbitrary<unknown>;

const texts = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }));

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom(undefined, null, true, false),
    fc.integer(),
    fc.double(),
    fc.bigInt(),
    texts,
    typedArrays,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(texts, tie("value"), { maxKeys: 6, noNullPrototype: true }),
  ),
})).value;

Deno.test("every plain value arrives as structured clone would carry it", () => {
  fc.assert(
    fc.property(values, (value) => {
      assert.deepEqual(roundTrip(value), structuredClone(value));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("texts keep their unpaired surrogates, and known texts their bytes", () => {
  const given = ["a\ud800b", "é", "Ã©", "\u0000", "x".repeat(100), "日本", "__proto__", ""];
  assert.deepEqual(roundTrip([...given, ...given]), [...given, ...given]);
});

Deno.test("a key named __proto__ arrives as an own property", () => {
  const arrived = roundTrip(JSON.parse('{"__proto__": {"admin": true}}')) as object;
  assert.deepEqual(Object.keys(arrived), ["__proto__"]);
  assert.equal(Object.getPrototypeOf(arrived), Object.prototype);
});

Deno.test("typed arrays of one buffer share one buffer at the receiver, without its other bytes", () => {
  const buffer = new ArrayBuffer(1 << 20);
  const ids = new Uint32Array(buffer, 1024, 8).fill(7);
  const rows = new Float32Array(buffer, 1056, 4).fill(0.5);
  const encoded = encoder.encode({ ids, rows });
  assert.deepEqual(encoded.sections.map(({ byteLength }) => byteLength), [48]);
  const arrived = decoder.decode(encoded) as { ids: Uint32Array; rows: Float32Array };
  assert.equal(arrived.ids.buffer, arrived.rows.buffer);
  assert.deepEqual(arrived, { ids, rows });
});

Deno.test("many buffers keep their identity", () => {
  const buffers = Array.from({ length: 20 }, (_, i) => new Uint8Array([i]));
  const arrived = roundTrip([...buffers, ...buffers]) as Uint8Array[];
  assert.deepEqual(arrived.map(([value]) => value), [...buffers, ...buffers].map(([v]) => v));
  for (let i = 0; i < 20; i++) assert.equal(arrived[i].buffer, arrived[20 + i].buffer);
});

Deno.test("moved buffers are not copied and are unusable afterwards; others are copied", () => {
  const [moved, copied] = [new Float32Array([1, 2]), new Float32Array([3])];
  const encoded = encoder.encode({ moved, copied }, [moved.buffer]);
  copied[0] = 9;
  assert.ok(moved.buffer.detached);
  assert.deepEqual(decoder.decode(encoded), {
    moved: new Float32Array([1, 2]),
    copied: new Float32Array([3]),
  });
  assert.throws(() => encoder.encode({ moved }), /Cannot send a moved buffer/);
});

Deno.test("errors arrive as errors of their class, with their data", () => {
  const arrived = roundTrip({ cause: new ActorFailedError("shard/1", "its disk is full") });
  const { cause } = arrived as { cause: unknown };
  assert.ok(cause instanceof ActorFailedError);
  assert.equal(cause.reason, "its disk is full");
});

Deno.test("values that cannot travel are refused with a remedy, and nothing is moved", () => {
  const kept = new ArrayBuffer(8);
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const refusals: [unknown, RegExp][] = [
    [{ f: () => 1 }, /Cannot send a function to another process: send plain data/],
    [Symbol("s"), /a symbol/],
    [{ m: new Map() }, /a Map .*: send an array of entries or a plain object/],
    [new Set(), /a Set .*: send an array/],
    [new Date(0), /a Date .*: send ms since the Unix epoch/],
    [new Uint8Array(new SharedArrayBuffer(8)), /shared memory .*: send a copy/],
    [new SharedArrayBuffer(8), /a SharedArrayBuffer .*: send a copy/],
    [cycle, /objects more than 64 deep .*refer to themselves/],
  ];
  for (const [value, expected] of refusals) {
    assert.throws(() => encoder.encode({ kept, value }, [kept]), (error: Error) => {
      assert.ok(error instanceof NotSendableError);
      assert.match(error.message, expected);
      return true;
    });
  }
  assert.equal(kept.detached, false);
  assert.deepEqual(roundTrip({ after: "a refusal" }), { after: "a refusal" });
});

Deno.test("a value above the limit is refused before anything is moved", () => {
  const rows = new Float32Array(1024);
  const small = new ValueEncoder(1024);
  assert.throws(() => small.encode({ rows }, [rows.buffer]), (error: Error) => {
    assert.ok(error instanceof FrameTooLargeError);
    assert.match(error.message, /a message of 41\d\d bytes .* at most 1024\. Send fewer rows/);
    return true;
  });
  assert.equal(rows.buffer.detached, false);
});

Deno.test("wrong bytes give a malformed-frame error and take no memory", () => {
  const decode = (encoded: EncodedValue) => {
    try {
      decoder.decode(encoded);
    } catch (error) {
      assert.ok(error instanceof MalformedFrameError, String(error));
    }
  };
  const bytes = (...values: number[]) => new Uint8Array(values);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (structure) => {
      decode({ structure: new Uint8Array(structure), sections: [bytes(1, 2, 3, 4)] });
    }),
    { numRuns: 5_000 },
  );
  fc.assert(
    fc.property(values, fc.nat(), fc.nat(255), fc.nat(), (value, at, byte, cut) => {
      const { structure, sections } = encoder.encode(value);
      const changed = structure.slice(0, structure.length - cut % 3);
      if (changed.length > 0) changed[at % changed.length] = byte;
      decode({ structure: changed, sections: cut % 2 === 0 ? sections : sections.slice(1) });
    }),
    { numRuns: 2_000 },
  );
  // An array of 2^32 - 1 values in six bytes.
  assert.throws(
    () => decoder.decode({ structure: bytes(9, 255, 255, 255, 255, 15), sections: [] }),
    /4294967295 values do not fit/,
  );
});

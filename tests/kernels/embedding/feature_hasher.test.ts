/** Goal: feature ids are XXH64. Method: a second implementation in BigInt. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { FeatureHasher } from "../../../kernels/embedding/feature_hasher.ts";

const hasher = FeatureHasher.create();

const WORD = (1n << 64n) - 1n;
const P = [
  0x9E3779B185EBCA87n,
  0xC2B2AE3D27D4EB4Fn,
  0x165667B19E3779F9n,
  0x85EBCA77C2B2AE63n,
  0x27D4EB2F165667C5n,
];
const rotate = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & WORD;
const round = (lane: bigint, word: bigint) =>
  (rotate((lane + word * P[1]) & WORD, 31n) * P[0]) & WORD;

function xxh64(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let hash = P[4];
  if (bytes.length >= 32) {
    const lanes = [(P[0] + P[1]) & WORD, P[1], 0n, (-P[0]) & WORD];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let k = 0; k < 4; k++) lanes[k] = round(lanes[k], view.getBigUint64(at + 8 * k, true));
    }
    hash = [1n, 7n, 12n, 18n].reduce((sum, by, k) => sum + rotate(lanes[k], by), 0n) & WORD;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P[0] + P[3]) & WORD;
  }
  hash = (hash + BigInt(bytes.length)) & WORD;
  for (; at + 8 <= bytes.length; at += 8) {
    hash ^= round(0n, view.getBigUint64(at, true));
    hash = (rotate(hash, 27n) * P[0] + P[3]) & WORD;
  }
  for (; at + 4 <= bytes.length; at += 4) {
    hash ^= (BigInt(view.getUint32(at, true)) * P[0]) & WORD;
    hash = (rotate(hash, 23n) * P[1] + P[2]) & WORD;
  }
  for (; at < bytes.length; at++) {
    hash = (rotate(hash ^ ((BigInt(bytes[at]) * P[4]) & WORD), 11n) * P[0]) & WORD;
  }
  hash = ((hash ^ (hash >> 33n)) * P[1]) & WORD;
  hash = ((hash ^ (hash >> 29n)) * P[2]) & WORD;
  return hash ^ (hash >> 32n);
}

function pack(texts: readonly Uint8Array[]) {
  const offsets = new Uint32Array(texts.length + 1);
  texts.forEach((text, index) => offsets[index + 1] = offsets[index] + text.length);
  const utf8 = new Uint8Array(offsets[texts.length]);
  texts.forEach((text, index) => utf8.set(text, offsets[index]));
  return { utf8, offsets };
}

Deno.test("the second implementation reproduces published digests", () => {
  const digest = (text: string) => xxh64(new TextEncoder().encode(text));
  assert.equal(digest(""), 0xEF46DB3751D8E999n);
  assert.equal(digest("abc"), 0x44BC2CF5AD770999n);
  assert.equal(digest("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1n);
});

Deno.test("an id is slot << 48 | 48 bits of XXH64, for texts of any length at any offset", () => {
  const feature = fc.tuple(fc.integer({ min: 0, max: 32_767 }), fc.uint8Array({ maxLength: 100 }));
  fc.assert(fc.property(fc.array(feature, { maxLength: 20 }), (features) => {
    const { utf8, offsets } = pack(features.map(([, text]) => text));
    const actual = hasher.hash(Uint16Array.from(features, ([slot]) => slot), utf8, offsets);
    const expected = features.map(([slot, text]) =>
      BigInt(slot) << 48n | xxh64(text) & 0xFFFFFFFFFFFFn
    );
    assert.deepEqual(actual, BigUint64Array.from(expected));
  }));
});

Deno.test("200,000 sequential names collide no more than chance allows in 48 bits", () => {
  const names = 200_000;
  const texts = Array.from({ length: names }, (_, i) => new TextEncoder().encode(`user_${i}`));
  const { utf8, offsets } = pack(texts);
  const ids = hasher.hash(new Uint16Array(names).fill(1), utf8, offsets).sort();
  let collisions = 0;
  for (let i = 1; i < names; i++) collisions += Number(ids[i] === ids[i - 1]);
  assert.ok(collisions <= 1, `${collisions} collisions; 0.0001 expected`);
});

Deno.test("slots above 32,767 and offsets outside the text are refused", () => {
  const text = new Uint8Array(4);
  const hash = (slot: number, offsets: number[]) => () =>
    hasher.hash(Uint16Array.of(slot), text, Uint32Array.from(offsets));
  assert.throws(hash(32_768, [0, 4]), /slots must be at most 32,767/);
  assert.throws(hash(1, [0, 5]), /offsets inside 4 bytes/);
  assert.throws(hash(1, [3, 2]), /offsets must ascend/);
  assert.throws(hash(1, [0]), /1 slots need 2 offsets/);
});

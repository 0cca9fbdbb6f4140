/** Bodies that are not JSON, have another media type, or are too large. */
import { type BadInput, goodRank } from "./bad_input.ts";

export const bodies: readonly BadInput[] = [
  // The body is not JSON.
  {
    name: "an empty body",
    body: "",
    status: 400,
    type: "malformed-json",
    detail: /the body is empty/,
  },
  {
    name: "broken JSON, with the text at the error",
    body: '{"user": "u", "candidates": [}',
    status: 400,
    type: "malformed-json",
    detail: /Unexpected token '}', ..."idates": \[}"/,
  },
  {
    name: "NaN, which JSON does not have",
    body: '{"user": "u", "candidates": [{"id": "a", "fields": {"price": NaN}}]}',
    status: 400,
    type: "malformed-json",
    detail: /Unexpected token 'N'.*; JSON has no NaN, no comments and no comma/,
  },
  {
    name: "bytes that are not UTF-8",
    body: new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
    status: 400,
    type: "malformed-json",
    detail: /not UTF-8/,
  },
  {
    name: "two JSON values",
    body: "{} {}",
    status: 400,
    type: "malformed-json",
    detail: /position 3/,
  },
  {
    name: "a key that an object has twice",
    body: '{"user": "u", "candidates": [{"id": "a:{}", "id" : "b"}]}',
    status: 400,
    type: "malformed-json",
    detail: /an object has the key "id" twice/,
  },
  {
    name: "an object of 1025 keys",
    path: "/v1/rank?large",
    body: Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`x${i}`, 1])),
    status: 400,
    type: "malformed-json",
    detail: /an object has more than 1024 keys/,
  },
  // The media type is wrong.
  {
    name: "a form, as curl -d sends it",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: JSON.stringify(goodRank),
    status: 415,
    type: "unsupported-media-type",
    detail: /is application\/x-www-form-urlencoded; send application\/json \(with curl: --json\)/,
  },
  {
    name: "another charset",
    headers: { "content-type": "application/json; charset=latin1" },
    body: JSON.stringify(goodRank),
    status: 415,
    type: "unsupported-media-type",
    detail: /latin1/,
  },
  {
    name: "a compressed body",
    headers: { "content-encoding": "gzip" },
    body: JSON.stringify(goodRank),
    status: 415,
    type: "unsupported-media-type",
    detail: /gzip; send the body uncompressed/,
  },
  // The body is too large.
  {
    name: "a body that declares more than the limit",
    fixtureOnly: true,
    headers: { "content-length": "5000" },
    body: "{}",
    status: 413,
    type: "body-too-large",
    detail: /has 5000 bytes; at most 4096 .*gateway\.bodyMax/,
  },
  {
    name: "a body that grows past the limit without declaring it",
    fixtureOnly: true,
    body: { ...goodRank, context: { long: "x".repeat(4096) } },
    status: 413,
    type: "body-too-large",
    detail: /more than 4096 bytes.*gateway\.bodyMax/,
  },
];

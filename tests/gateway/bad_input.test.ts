/**
 * Everything that a client can get wrong, and the answer to each: status, stable type, place and what to send
 * instead. Nothing reaches the ranker or the log, and nothing is a 500.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { gatewayFixture, json, startMs } from "./fixture.ts";

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  /** Text is sent as it is, bytes too; anything else as JSON. */
  readonly body?: unknown;
  readonly status: number;
  readonly type: string;
  readonly detail: RegExp;
  /** The first entries of `errors`, as `pointer detail`. */
  readonly errors?: readonly string[];
  readonly answerHeaders?: Record<string, string>;
}

const rank = { user: "u", candidates: [{ id: "a" }] };
const event = { eventId: "e", rankingId: "known", item: "a", action: "click" };
const many = (n: number) => Array.from({ length: n }, (_, i) => ({ id: `item-${i}` }));

const cases: readonly Case[] = [
  // The body is not JSON.
  {
    name: "an empty body",
    body: "",
    status: 400,
    type: "malformed-json",
    detail: /the body is empty/,
  },
  {
    name: "broken JSON, with what stands there",
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
    detail: /NaN|'N'/,
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
  // The media type is wrong.
  {
    name: "a form, as curl -d sends it",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: JSON.stringify(rank),
    status: 415,
    type: "unsupported-media-type",
    detail: /is application\/x-www-form-urlencoded; send application\/json \(with curl: --json\)/,
  },
  {
    name: "another charset",
    headers: { "content-type": "application/json; charset=latin1" },
    body: JSON.stringify(rank),
    status: 415,
    type: "unsupported-media-type",
    detail: /latin1/,
  },
  {
    name: "a compressed body",
    headers: { "content-encoding": "gzip" },
    body: JSON.stringify(rank),
    status: 415,
    type: "unsupported-media-type",
    detail: /gzip; send the body uncompressed/,
  },
  // The body is too large.
  {
    name: "a body that declares more than the limit",
    headers: { "content-length": "5000" },
    body: "{}",
    status: 413,
    type: "body-too-large",
    detail: /has 5000 bytes; at most 4096/,
  },
  {
    name: "a body that grows past the limit without declaring it",
    body: { ...rank, context: { long: "x".repeat(4096) } },
    status: 413,
    type: "body-too-large",
    detail: /more than 4096 bytes/,
  },
  // Rank: wrong fields.
  {
    name: "a list where an object belongs",
    body: [],
    status: 422,
    type: "invalid-request",
    detail: /is a list of 0 entries; send a ranking request as a JSON object/,
    errors: ["# is a list of 0 entries; send a ranking request as a JSON object"],
  },
  {
    name: "no fields at all",
    body: {},
    status: 422,
    type: "invalid-request",
    detail: /and 1 more/,
    errors: [
      "#/user is missing; send text of 1 to 256 characters without control characters",
      '#/candidates is missing; send a list of 1 to 500 candidates, each like {"id": "item-1"}',
    ],
  },
  {
    name: "a number as user",
    body: { ...rank, user: 7 },
    status: 422,
    type: "invalid-request",
    detail: /user is 7/,
    errors: ["#/user is 7; send text of 1 to 256 characters without control characters"],
  },
  {
    name: "an empty user",
    body: { ...rank, user: "" },
    status: 422,
    type: "invalid-request",
    detail: /is the text ""/,
  },
  {
    name: "an id of 257 characters",
    body: { ...rank, user: "x".repeat(257) },
    status: 422,
    type: "invalid-request",
    detail: /a text of 257 characters/,
  },
  {
    name: "an id with a control character",
    body: { ...rank, candidates: [{ id: "a\u0000b" }] },
    status: 422,
    type: "invalid-request",
    detail: /candidates\/0\/id/,
  },
  {
    name: "an id with half a surrogate pair",
    body: '{"user": "u", "candidates": [{"id": "\\ud83d"}]}',
    status: 422,
    type: "invalid-request",
    detail: /candidates\/0\/id/,
  },
  {
    name: "no candidates",
    body: { ...rank, candidates: [] },
    status: 422,
    type: "invalid-request",
    detail: /candidates is a list of 0 entries; send a list of 1 to 500/,
  },
  {
    name: "501 candidates",
    path: "/v1/rank?large",
    body: { user: "u", candidates: many(501) },
    status: 422,
    type: "invalid-request",
    detail: /candidates is a list of 501 entries; send a list of 1 to 500/,
  },
  {
    name: "candidates as bare ids",
    body: { ...rank, candidates: ["a"] },
    status: 422,
    type: "invalid-request",
    detail:
      /candidates\/0 is the text "a"; send a candidate like \{"id": "item-1"\} as a JSON object/,
  },
  {
    name: "a candidate twice",
    body: { ...rank, candidates: [{ id: "a" }, { id: "b" }, { id: "a" }] },
    status: 422,
    type: "invalid-request",
    detail: /repeats candidate 0/,
    errors: ['#/candidates/2/id repeats candidate 0, "a"; send each item once'],
  },
  {
    name: "a field that is misspelt",
    body: { ...rank, userfields: {} },
    status: 422,
    type: "invalid-request",
    detail: /did you mean userFields/,
    errors: [
      "#/userfields is an unknown field; send only user, candidates, context, userFields, " +
      "timestamp, limit, explain, rankingId (did you mean userFields?)",
    ],
  },
  {
    name: "an attribute that is an object",
    body: { ...rank, candidates: [{ id: "a", fields: { price: { eur: 3 } } }] },
    status: 422,
    type: "invalid-request",
    detail: /candidates\/0\/fields\/price is an object; send text, a finite number/,
  },
  {
    name: "an attribute whose list holds numbers",
    body: { ...rank, context: { tags: ["a", 2] } },
    status: 422,
    type: "invalid-request",
    detail: /context\/tags is a list of 2 entries that holds 2; send text/,
  },
  {
    name: "a number past the range of doubles",
    body: '{"user": "u", "candidates": [{"id": "a"}], "context": {"price": 1e999}}',
    status: 422,
    type: "invalid-request",
    detail: /context\/price is Infinity; send text, a finite number/,
  },
  {
    name: "deep nesting",
    body: `{"user": "u", "candidates": [{"id": "a"}], "context": {"x": ${"[".repeat(1500)}${
      "]".repeat(1500)
    }}}`,
    status: 422,
    type: "invalid-request",
    detail: /context\/x/,
  },
  {
    name: "an attribute's name that needs escaping in a pointer",
    body: { ...rank, context: { "a/b~c é": {} } },
    status: 422,
    type: "invalid-request",
    detail: /is an object/,
    errors: [
      "#/context/a~1b~0c%20%C3%A9 is an object; send text, a finite number, true, false, null, or a list of texts",
    ],
  },
  {
    name: "an attribute without a name",
    body: { ...rank, context: { "": 1 } },
    status: 422,
    type: "invalid-request",
    detail: /has a name of 0 characters; send attribute names of 1 to 128/,
  },
  {
    name: "257 attributes",
    body: {
      ...rank,
      context: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`k${i}`, 1])),
    },
    status: 422,
    type: "invalid-request",
    detail: /context is an object; send at most 256 attributes/,
  },
  {
    name: "a limit of zero",
    body: { ...rank, limit: 0 },
    status: 422,
    type: "invalid-request",
    detail: /limit is 0; send a whole number from 1 to 500/,
  },
  {
    name: "half a limit",
    body: { ...rank, limit: 2.5 },
    status: 422,
    type: "invalid-request",
    detail: /limit is 2.5; send a whole number/,
  },
  {
    name: "explain as text",
    body: { ...rank, explain: "yes" },
    status: 422,
    type: "invalid-request",
    detail: /explain is the text "yes"; send true or false/,
  },
  {
    name: "more errors than are listed",
    body: { user: "u", candidates: Array(30).fill({}) },
    status: 422,
    type: "invalid-request",
    detail: /and 20 more/,
  },
  {
    name: "a ranking id that was used",
    body: { ...rank, rankingId: "known" },
    status: 409,
    type: "ranking-exists",
    detail: /"known"/,
  },
  // Clock jumps.
  {
    name: "a timestamp a year ahead",
    body: { ...rank, timestamp: startMs + 365 * 86_400_000 },
    status: 422,
    type: "timestamp-ahead",
    detail: /365 days ahead of the server's clock/,
    errors: [
      `#/timestamp is ${
        startMs + 365 * 86_400_000
      }, 365 days ahead of the server's clock (at most 60000 ms are allowed); ` +
      "send the time at which it happened, or leave it out for now",
    ],
  },
  {
    name: "an ISO time a minute and a second ahead",
    body: { ...rank, timestamp: new Date(startMs + 61_000).toISOString() },
    status: 422,
    type: "timestamp-ahead",
    detail: /61000 ms ahead/,
  },
  {
    name: "a timestamp in seconds",
    body: { ...rank, timestamp: 1767225600 },
    status: 422,
    type: "invalid-request",
    detail: /looks like seconds; send milliseconds: 1767225600000/,
  },
  {
    name: "a timestamp before 1970",
    body: { ...rank, timestamp: -1 },
    status: 422,
    type: "invalid-request",
    detail: /send a time from 1970 on/,
  },
  {
    name: "a time without a zone",
    body: { ...rank, timestamp: "2026-01-01T00:00:00" },
    status: 422,
    type: "invalid-request",
    detail: /timestamp is the text "2026-01-01T00:00:00"; send ms since the Unix epoch/,
  },
  {
    name: "a date that does not exist",
    body: { ...rank, timestamp: "2026-02-30T00:00:00Z" },
    status: 422,
    type: "invalid-request",
    detail: /timestamp is the text/,
  },
  {
    name: "an event a day ahead",
    path: "/v1/events",
    body: { ...event, timestamp: startMs + 86_400_000 },
    status: 422,
    type: "timestamp-ahead",
    detail: /24 hours ahead/,
  },
  // Events.
  {
    name: "an event for an unknown ranking",
    path: "/v1/events",
    body: { ...event, rankingId: "never" },
    status: 422,
    type: "unknown-ranking",
    detail: /rankingId "never" is not a ranking that this gateway remembers/,
    errors: [
      '#/rankingId is "never", which is not a ranking that this gateway remembers; ' +
      "send the rankingId of a recent answer of POST /v1/rank",
    ],
  },
  {
    name: "an event on an item that was not shown",
    path: "/v1/events",
    body: { ...event, item: "z" },
    status: 422,
    type: "item-not-shown",
    detail: /item "z" was not shown by that ranking/,
  },
  {
    name: "an event without an eventId",
    path: "/v1/events",
    body: { rankingId: "known", item: "a", action: "click" },
    status: 422,
    type: "invalid-request",
    detail: /eventId is missing/,
  },
  {
    name: "an event with Metarank's words",
    path: "/v1/events",
    body: { ...event, itemId: "a" },
    status: 422,
    type: "invalid-request",
    detail: /itemId is an unknown field.*did you mean item\?/,
  },
  {
    name: "a list of no events",
    path: "/v1/events",
    body: [],
    status: 422,
    type: "invalid-request",
    detail: /list of 0 events; send one event, or a list of 1 to 1000/,
  },
  {
    name: "1001 events",
    path: "/v1/events?large",
    body: Array.from({ length: 1001 }, (_, i) => ({ ...event, eventId: `e${i}` })),
    status: 422,
    type: "invalid-request",
    detail: /list of 1001 events/,
  },
  {
    name: "null as an event",
    path: "/v1/events",
    body: "null",
    status: 422,
    type: "invalid-request",
    detail: /is null; send an event as a JSON object/,
  },
  // Profiles.
  {
    name: "an unknown item",
    method: "GET",
    path: "/v1/items/nobody",
    status: 404,
    type: "unknown-item",
    detail: /item "nobody"/,
  },
  {
    name: "an unknown user",
    method: "GET",
    path: "/v1/users/nobody",
    status: 404,
    type: "unknown-user",
    detail: /user "nobody"/,
  },
  {
    name: "a profile without attributes",
    method: "PUT",
    path: "/v1/items/a",
    body: { year: 1994 },
    status: 422,
    type: "invalid-request",
    detail: /attributes is missing/,
  },
  {
    name: "an id in the path that is too long",
    method: "PUT",
    path: `/v1/items/${"x".repeat(300)}`,
    body: { attributes: {} },
    status: 422,
    type: "invalid-request",
    detail: /id is a text of 300 characters/,
  },
  {
    name: "an id whose percent-encoding is broken",
    method: "GET",
    path: "/v1/items/100%",
    status: 400,
    type: "malformed-request",
    detail: /id "100%".*percent-encoded UTF-8/,
  },
  {
    name: "an id in Latin-1",
    method: "PUT",
    path: "/v1/users/caf%e9",
    body: { attributes: {} },
    status: 400,
    type: "malformed-request",
    detail: /id "caf%e9"/,
  },
  // Paths and methods.
  {
    name: "an unknown path",
    method: "GET",
    path: "/v2/rank",
    status: 404,
    type: "unknown-path",
    detail: /nothing at \/v2\/rank/,
  },
  {
    name: "an item without an id",
    method: "GET",
    path: "/v1/items/",
    status: 404,
    type: "unknown-path",
    detail: /nothing at/,
  },
  {
    name: "GET on rank",
    method: "GET",
    path: "/v1/rank",
    status: 405,
    type: "method-not-allowed",
    detail: /does not take GET; send POST/,
    answerHeaders: { allow: "POST" },
  },
  {
    name: "DELETE on an item",
    method: "DELETE",
    path: "/v1/items/a%20b",
    status: 405,
    type: "method-not-allowed",
    detail: /send PUT or GET/,
    answerHeaders: { allow: "PUT, GET" },
  },
  {
    name: "an unknown problem type",
    method: "GET",
    path: "/problems/constructor",
    status: 404,
    type: "unknown-path",
    detail: /no problem type "constructor"/,
  },
  // Keys.
  {
    name: "no key",
    body: rank,
    status: 401,
    type: "unauthorized",
    detail: /carries no API key. Send one that gateway.apiKeys lists/,
    answerHeaders: { "www-authenticate": 'Bearer realm="cairn"' },
  },
  {
    name: "a wrong key",
    headers: { "x-api-key": "key-two-but-longer" },
    body: rank,
    status: 401,
    type: "unauthorized",
    detail: /not one of this server's keys/,
  },
  {
    name: "a key of the wrong scheme",
    headers: { authorization: "Basic a2V5LW9uZQ==", "x-api-key": "nope" },
    body: rank,
    status: 401,
    type: "unauthorized",
    detail: /not one/,
  },
  {
    name: "a prefix of a key",
    headers: { authorization: "Bearer key-on" },
    body: rank,
    status: 401,
    type: "unauthorized",
    detail: /not one/,
  },
];

for (const each of cases) {
  Deno.test(`bad input is answered plainly: ${each.name}`, async () => {
    const large = each.path?.endsWith("?large");
    const { app, rank, ranker, logged } = gatewayFixture({
      options: { bodyBytesMax: large ? 1 << 20 : 4096, apiKeys: [] },
    });
    await rank("known", ["a", "b"]);
    const keyed = each.status === 401
      ? gatewayFixture({ options: { apiKeys: ["key-one", "key-two"] } }).app
      : app;
    const { method = "POST", path = "/v1/rank", headers, body } = each;
    const response = await keyed.request(path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body !== undefined && {
        body: typeof body === "string" || body instanceof Uint8Array
          ? body as BodyInit
          : JSON.stringify(body),
      }),
    });
    const problem = await json(response);
    assert.equal(response.status, each.status, JSON.stringify(problem));
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal(problem.type, `/problems/${each.type}`);
    assert.equal(problem.status, each.status);
    assert.match(problem.detail, each.detail);
    assert.match(problem.traceId, /^[0-9a-f]{32}$/);
    if (each.errors) {
      assert.deepEqual(
        problem.errors.map(({ pointer, detail }: { pointer: string; detail: string }) =>
          `${pointer} ${detail}`
        ),
        each.errors,
      );
    }
    assert.ok((problem.errors?.length ?? 0) <= 21);
    for (const [name, value] of Object.entries(each.answerHeaders ?? {})) {
      assert.equal(response.headers.get(name), value);
    }
    assert.equal(ranker.asked.length, 1, "only the first, good ranking reached the ranker");
    assert.deepEqual(await logged(), []);
  });
}

Deno.test("a timestamp a little ahead is taken: clocks differ", async () => {
  const { post, ranker } = gatewayFixture();
  assert.equal((await post("/v1/rank", { ...rank, timestamp: startMs + 60_000 })).status, 200);
  assert.equal(ranker.asked[0].atMs, startMs + 60_000);
});

Deno.test("attributes named like parts of Object stay plain data", async () => {
  const { app, post, ranker } = gatewayFixture();
  const text = '{"user": "u", "candidates": [{"id": "a"}], ' +
    '"context": {"__proto__": {"polluted": true}, "constructor": "x", "toString": 3}}';
  const response = await app.request("/v1/rank", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: text,
  });
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.equal(response.status, 200);
  assert.deepEqual(Object.entries(ranker.asked[0].context), [
    ["constructor", "x"],
    ["toString", 3],
  ]);
  assert.equal((await post("/v1/rank", rank)).status, 200);
});

Deno.test("no JSON value, and no mutation of a good body, makes a server error", async () => {
  const { post, rank: serve } = gatewayFixture();
  await serve("known", ["a"]);
  const mutated = (good: Record<string, unknown>) =>
    fc.tuple(fc.constantFrom(...Object.keys(good)), fc.jsonValue({ maxDepth: 3 })).map((
      [field, value],
    ) => ({ ...good, [field]: value }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("/v1/rank", "/v1/events"),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }),
        mutated({ ...rank, context: {}, limit: 1, timestamp: 0 }),
        mutated({ ...event, value: 1, timestamp: 0 }),
        fc.array(mutated(event), { maxLength: 4 }),
      ),
      async (path, body) => {
        const response = await post(path, body);
        assert.ok(response.status < 500, await response.text());
      },
    ),
    { numRuns: 400 },
  );
});

/**
 * Everything that a client can get wrong, one row each, with the answer that it gets. Sent to a gateway on doubles
 * (bad_input.test.ts) and to a real mesh (tests/integration/bad_input.test.ts).
 */
import { startMs } from "./fixture.ts";

export interface BadInput {
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
  /** Wrong only under the fixture's settings: its clock, its body limit of 4096 bytes, its keys. */
  readonly fixtureOnly?: true;
}

/** The request of a row. */
export function requestOf(
  { method = "POST", path = "/v1/rank", headers, body }: BadInput,
): Request {
  return new Request(`http://cairn${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body !== undefined && {
      body: typeof body === "string" || body instanceof Uint8Array
        ? body as BodyInit
        : JSON.stringify(body),
    }),
  });
}

export const goodRank = { user: "u", candidates: [{ id: "a" }] };
export const goodEvent = { eventId: "e", rankingId: "known", item: "a", action: "click" };
const many = (n: number) => Array.from({ length: n }, (_, i) => ({ id: `item-${i}` }));

export const badInputs: readonly BadInput[] = [
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
    body: { ...goodRank, user: 7 },
    status: 422,
    type: "invalid-request",
    detail: /user is 7/,
    errors: ["#/user is 7; send text of 1 to 256 characters without control characters"],
  },
  {
    name: "an empty user",
    body: { ...goodRank, user: "" },
    status: 422,
    type: "invalid-request",
    detail: /is the text ""/,
  },
  {
    name: "an id of 257 characters",
    body: { ...goodRank, user: "x".repeat(257) },
    status: 422,
    type: "invalid-request",
    detail: /a text of 257 characters/,
  },
  {
    name: "an id with a control character",
    body: { ...goodRank, candidates: [{ id: "a\u0000b" }] },
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
    body: { ...goodRank, candidates: [] },
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
    body: { ...goodRank, candidates: ["a"] },
    status: 422,
    type: "invalid-request",
    detail:
      /candidates\/0 is the text "a"; send a candidate like \{"id": "item-1"\} as a JSON object/,
  },
  {
    name: "a candidate twice",
    body: { ...goodRank, candidates: [{ id: "a" }, { id: "b" }, { id: "a" }] },
    status: 422,
    type: "invalid-request",
    detail: /repeats candidate 0/,
    errors: ['#/candidates/2/id repeats candidate 0, "a"; send each item once'],
  },
  {
    name: "a field that is misspelt",
    body: { ...goodRank, userfields: {} },
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
    body: { ...goodRank, candidates: [{ id: "a", fields: { price: { eur: 3 } } }] },
    status: 422,
    type: "invalid-request",
    detail: /candidates\/0\/fields\/price is an object; send text, a finite number/,
  },
  {
    name: "an attribute whose list holds numbers",
    body: { ...goodRank, context: { tags: ["a", 2] } },
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
    body: { ...goodRank, context: { "a/b~c é": {} } },
    status: 422,
    type: "invalid-request",
    detail: /is an object/,
    errors: [
      "#/context/a~1b~0c%20%C3%A9 is an object; send text, a finite number, true, false, null, or a list of texts",
    ],
  },
  {
    name: "an attribute without a name",
    body: { ...goodRank, context: { "": 1 } },
    status: 422,
    type: "invalid-request",
    detail: /has a name of 0 characters; send attribute names of 1 to 128/,
  },
  {
    name: "257 attributes",
    body: {
      ...goodRank,
      context: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`k${i}`, 1])),
    },
    status: 422,
    type: "invalid-request",
    detail: /context is an object; send at most 256 attributes/,
  },
  {
    name: "a limit of zero",
    body: { ...goodRank, limit: 0 },
    status: 422,
    type: "invalid-request",
    detail: /limit is 0; send a whole number from 1 to 500/,
  },
  {
    name: "half a limit",
    body: { ...goodRank, limit: 2.5 },
    status: 422,
    type: "invalid-request",
    detail: /limit is 2.5; send a whole number/,
  },
  {
    name: "explain as text",
    body: { ...goodRank, explain: "yes" },
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
    body: { ...goodRank, rankingId: "known" },
    status: 409,
    type: "ranking-exists",
    detail: /"known"/,
  },
  // Clock jumps.
  {
    name: "a timestamp a year ahead",
    fixtureOnly: true,
    body: { ...goodRank, timestamp: startMs + 365 * 86_400_000 },
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
    fixtureOnly: true,
    body: { ...goodRank, timestamp: new Date(startMs + 61_000).toISOString() },
    status: 422,
    type: "timestamp-ahead",
    detail: /61000 ms ahead/,
  },
  {
    name: "a timestamp in seconds",
    body: { ...goodRank, timestamp: 1767225600 },
    status: 422,
    type: "invalid-request",
    detail: /looks like seconds; send milliseconds: 1767225600000/,
  },
  {
    name: "a timestamp before 1970",
    body: { ...goodRank, timestamp: -1 },
    status: 422,
    type: "invalid-request",
    detail: /send a time from 1970 on/,
  },
  {
    name: "a time without a zone",
    body: { ...goodRank, timestamp: "2026-01-01T00:00:00" },
    status: 422,
    type: "invalid-request",
    detail: /timestamp is the text "2026-01-01T00:00:00"; send ms since the Unix epoch/,
  },
  {
    name: "a date that does not exist",
    body: { ...goodRank, timestamp: "2026-02-30T00:00:00Z" },
    status: 422,
    type: "invalid-request",
    detail: /timestamp is the text/,
  },
  {
    name: "a list of events in an object",
    path: "/v1/events",
    body: { events: [{ eventId: "e", rankingId: "r", item: "a", action: "click" }] },
    status: 422,
    type: "invalid-request",
    detail: /The body is an object around the list "events"; send the list itself\.$/,
    errors: ['# is an object around the list "events"; send the list itself'],
  },
  {
    name: "a list of profiles in an object",
    path: "/v1/items",
    body: { items: [] },
    status: 422,
    type: "invalid-request",
    detail: /an object around the list "items"; send the list itself\.$/,
  },
  {
    name: "an event a day ahead",
    fixtureOnly: true,
    path: "/v1/events",
    body: { ...goodEvent, timestamp: startMs + 86_400_000 },
    status: 422,
    type: "timestamp-ahead",
    detail: /24 hours ahead/,
  },
  // Events.
  {
    name: "an event for an unknown ranking",
    path: "/v1/events",
    body: { ...goodEvent, rankingId: "never" },
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
    body: { ...goodEvent, item: "z" },
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
    body: { ...goodEvent, itemId: "a" },
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
    body: Array.from({ length: 1001 }, (_, i) => ({ ...goodEvent, eventId: `e${i}` })),
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
    name: "one profile where a list belongs",
    path: "/v1/items",
    body: { id: "a", attributes: {} },
    status: 422,
    type: "invalid-request",
    detail: /is an object; send a list of profiles.*or one with PUT \/v1\/items\/\{id\}/,
  },
  {
    name: "an empty list of profiles",
    path: "/v1/users",
    body: [],
    status: 422,
    type: "invalid-request",
    detail: /is a list of 0 profiles; send a list of 1 to 1000/,
  },
  {
    name: "too many profiles",
    path: "/v1/users?large",
    body: Array(1001).fill({ id: "a", attributes: {} }),
    status: 422,
    type: "invalid-request",
    detail: /is a list of 1001 profiles; send a list of 1 to 1000/,
  },
  {
    name: "a list of wrong profiles",
    path: "/v1/users",
    body: [{ id: "a", attributes: { nested: {} } }],
    status: 422,
    type: "no-profile-stored",
    detail: /None of the 1 profiles was stored: #\/0\/attributes\/nested is an object/,
  },
  {
    name: "a deletion of everybody",
    method: "DELETE",
    path: "/v1/users",
    status: 405,
    type: "method-not-allowed",
    detail: /does not take DELETE; send POST/,
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
    name: "PATCH of an item",
    method: "PATCH",
    path: "/v1/items/a%20b",
    status: 405,
    type: "method-not-allowed",
    detail: /send PUT or GET or DELETE/,
    answerHeaders: { allow: "PUT, GET, DELETE" },
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
    fixtureOnly: true,
    body: goodRank,
    status: 401,
    type: "unauthorized",
    detail: /carries no API key. Send one that gateway.apiKeys lists/,
    answerHeaders: { "www-authenticate": 'Bearer realm="cairn"' },
  },
  {
    name: "a wrong key",
    fixtureOnly: true,
    headers: { "x-api-key": "key-two-but-longer" },
    body: goodRank,
    status: 401,
    type: "unauthorized",
    detail: /not one of this server's keys/,
  },
  {
    name: "a key of the wrong scheme",
    fixtureOnly: true,
    headers: { authorization: "Basic a2V5LW9uZQ==", "x-api-key": "nope" },
    body: goodRank,
    status: 401,
    type: "unauthorized",
    detail: /not one/,
  },
  {
    name: "a prefix of a key",
    fixtureOnly: true,
    headers: { authorization: "Bearer key-on" },
    body: goodRank,
    status: 401,
    type: "unauthorized",
    detail: /not one/,
  },
];

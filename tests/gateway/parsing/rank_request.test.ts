/**
 * `parseRankRequest` against the schema: its short cut for candidates that are ids alone must
 * accept and refuse the same requests.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CANDIDATES_MAX } from "../../../gateway/options.ts";
import { parseBody } from "../../../gateway/parsing/request_body.ts";
import { parseRankRequest, parseRankText } from "../../../gateway/parsing/rank_request.ts";
import { validate } from "../../../gateway/parsing/validation.ts";
import { ProblemError } from "../../../gateway/problems.ts";
import { rankRequestSchema } from "../../../gateway/schemas/rank.ts";

/** The request, or the problem that refuses it. */
function outcome(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    assert.ok(error instanceof ProblemError);
    return error.body();
  }
}

function isRepeat(result: unknown): boolean {
  return /repeats candidate/.test((result as { detail?: string }).detail ?? "");
}

Deno.test("a request is accepted or refused as by the schema, except for repeated candidates", () => {
  const value = fc.jsonValue({ maxDepth: 1 });
  const texts = fc.constantFrom("a", "i1", "", "\u0007", "\ud800", "ü", "x".repeat(257));
  const id = fc.oneof(texts, fc.string(), value);
  const plain = fc.record({ id }, { noNullPrototype: true });
  const withFields = fc.record({ id, fields: value }, { noNullPrototype: true });
  const any = fc.oneof(plain, withFields, value);
  const lists = fc.oneof(fc.array(plain), fc.array(any, { minLength: 1 }), value);
  fc.assert(
    fc.property(lists, (candidates) => {
      const body = { user: "u", candidates };
      const expected = outcome(() => validate(rankRequestSchema, body));
      const parsed = outcome(() => parseRankRequest(body));
      if (isRepeat(parsed)) {
        const ids = (expected as typeof rankRequestSchema["_output"]).candidates.map(({ id }) =>
          id
        );
        assert.ok(new Set(ids).size < ids.length);
      } else assert.deepEqual(parsed, expected);
    }),
    {
      examples: [[[{ id: "a" }]], [JSON.parse('[{ "id": "a", "__proto__": {} }]')], [[["id"]]]],
    },
  );
});

Deno.test("the number of plain candidates is limited", () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `${i}` }));
  const request = (count: number) => ({ user: "u", candidates: many(count) });
  assert.equal(parseRankRequest(request(CANDIDATES_MAX)).candidates.length, CANDIDATES_MAX);
  assert.throws(() => parseRankRequest(request(CANDIDATES_MAX + 1)), /a list of 501 entries/);
});

Deno.test("a body that is not a ranking request is refused", () => {
  for (const body of [null, [], {}, "candidates", 7]) {
    assert.throws(() => parseRankRequest(body), ProblemError);
  }
});

const utf8 = new TextEncoder();
const bodyText = (text: string) => ({ bytes: utf8.encode(text), text });

/** Asserts that a text means the same as its value; returns the outcome. */
function outcomeOfText(text: string): unknown {
  const body = bodyText(text);
  const outcomeOfValue = outcome(() => parseRankRequest(parseBody(body)));
  assert.deepEqual(outcome(() => parseRankText(body)), outcomeOfValue, text);
  return outcomeOfValue;
}

Deno.test("the text of a request gives the same request or problem as its value", () => {
  const id = fc.oneof(
    fc.constantFrom("a", "i1", "", "\u0007", "\u007f", "ü", "\\", '"', "x".repeat(256)),
    fc.string(),
  );
  const candidate = fc.oneof(
    { arbitrary: fc.record({ id }), weight: 4 },
    fc.record({ id, fields: fc.jsonValue({ maxDepth: 1 }) }),
    fc.jsonValue({ maxDepth: 1 }),
  );
  const key = fc.constantFrom("user", "context", "limit", "candidates", "x", 'a"candidates"');
  const field = fc.tuple(key, fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.array(candidate)));
  const space = fc.constantFrom("", "", " ", "\n\t\r");
  const fields = fc.array(fc.tuple(field, space), { maxLength: 4 });
  const withUser = fc.tuple(fields, fc.array(candidate), fields);
  fc.assert(fc.property(withUser, space, ([before, candidates, after], between) => {
    const texts = [
      ...before,
      [["user", "u"], between] as const,
      [["candidates", candidates], between] as const,
      ...after,
    ].map(([[name, value], gap]) =>
      `${gap}${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(value, undefined, gap.length)}`
    );
    outcomeOfText(`{${texts.join(",")}}`);
  }));
});

Deno.test("a cut or changed text gives the same problem as its value", () => {
  const text =
    '{"user":"u","context":{"a":["}","1"]},"candidates":[{"id":"a"},{"id":"b"}],"limit":1}';
  assert.ok("candidates" in (outcomeOfText(text) as object));
  for (let at = 0; at <= text.length; at++) outcomeOfText(text.slice(0, at));
  for (let at = 0; at < text.length; at++) {
    for (const character of '{}[]",:\\ \u00001aü') {
      outcomeOfText(text.slice(0, at) + character + text.slice(at));
      outcomeOfText(text.slice(0, at) + character + text.slice(at + 1));
    }
  }
});

Deno.test("the candidates of a text are counted, compared and found at its top level alone", () => {
  const ids = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `${i}` }));
  for (const count of [1, CANDIDATES_MAX, CANDIDATES_MAX + 1]) {
    outcomeOfText(JSON.stringify({ user: "u", candidates: ids(count) }));
  }
  outcomeOfText('{"user":"u","candidates":[{"id":"a"},{"id":"a"}]}');
  outcomeOfText('{"user":"u","candidates":[{"id":"a"}],"candidates":[{"id":"b"}]}');
  outcomeOfText('{"user":"u","context":{"candidates":[{"id":"a"}]},"candidates":[{"id":"b"}]}');
  outcomeOfText('[{"user":"u","candidates":[{"id":"a"}]}]');
  outcomeOfText('{"user":"u","candidates":[{"id":"a","id":"b"}]}');
});

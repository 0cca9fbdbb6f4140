/**
 * `parseRankRequest` against the schema: its short cut for candidates that are ids alone must
 * accept and refuse the same requests.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { CANDIDATES_MAX } from "../../../gateway/options.ts";
import { parseRankRequest } from "../../../gateway/parsing/rank_request.ts";
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

import assert from "node:assert/strict";
import { ruledRankings } from "../../../simulation/checkers/ruled_rankings.ts";
import { configurationOf } from "../../../simulation/plan/run_plan.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";

const configuration = configurationOf(shopConfiguration, {});

const red = { tags: ["red"], price: 1 };
const blue = { tags: ["blue"], price: 8 };
const bare = { tags: [], price: 5 };
const candidates = [
  { id: "a", fields: red },
  { id: "b", fields: red },
  { id: "c", fields: blue },
  { id: "d", fields: bare },
];

/** The reason for which the checker refuses an answer with these items, by falling scores. */
function refused(
  rules: Readonly<Record<string, unknown>>,
  items: string,
  more: { readonly limit?: number; readonly scores?: readonly number[] } = {},
): string | undefined {
  let reason: string | undefined;
  const checker = ruledRankings(() => configuration, () => [])({
    nowMs: () => 0,
    fail: (message) => void (reason ??= message),
  });
  const { limit, scores = [0.8, 0.6, 0.4, 0.2] } = more;
  checker.replied?.({
    client: "visitor-0",
    method: "POST",
    path: "/v1/rank",
    requestBody: { user: "ann", candidates, rules, ...(limit !== undefined && { limit }) },
    status: 200,
    body: { rankingId: "r", items: [...items].map((id, i) => ({ id, score: scores[i] })) },
  });
  return reason;
}

Deno.test("an item that the filter leaves out is not ranked, and all others are", () => {
  const rules = { filter: '"red" in tags' };
  assert.equal(refused(rules, "ab"), undefined);
  assert.match(refused(rules, "abc") ?? "", /its filter "red" in tags leaves out/);
  assert.match(refused(rules, "aa") ?? "", /an item twice/);
  assert.match(refused(rules, "a") ?? "", /has 1 of 2 items/);
  assert.equal(refused(rules, "a", { limit: 1 }), undefined);
  assert.match(refused(rules, "ab", { limit: 1 }) ?? "", /has 2 items, above its limit 1/);
  assert.match(refused({}, "abc", { limit: 4 }) ?? "", /has 3 of 4 items/);
  assert.equal(refused({ ...rules, exclude: [] }, "a"), undefined);
});

Deno.test("a pinned item is at its position, or last", () => {
  const pin = (position: number) => ({ pin: [{ item: "c", position }] });
  assert.equal(refused(pin(2), "acbd"), undefined);
  assert.equal(refused(pin(4), "abdc"), undefined);
  assert.equal(refused({ ...pin(4), exclude: [] }, "adc"), undefined);
  assert.match(refused(pin(2), "abcd") ?? "", /has c at 3, which is pinned to 2/);
  assert.match(refused(pin(3), "acbd") ?? "", /has c at 2, which is pinned to 3/);
});

Deno.test("a limit cuts the order in which items are pinned", () => {
  const pin = (position: number) => ({ pin: [{ item: "c", position }] });
  assert.equal(refused(pin(2), "ac", { limit: 2 }), undefined);
  assert.equal(refused(pin(4), "ab", { limit: 2 }), undefined);
  assert.match(refused(pin(2), "ab", { limit: 2 }) ?? "", /lacks c, which is pinned to 2/);
  assert.match(refused(pin(4), "ac", { limit: 2 }) ?? "", /has c at 2, which is pinned to 4/);
  // One of the others may be excluded: then the order has three items, and c is the last.
  assert.equal(refused({ ...pin(4), exclude: [] }, "abc", { limit: 3 }), undefined);
});

Deno.test("items are in the order of their boosted scores", () => {
  const boost = { boost: [{ when: "price > 7", factor: 2 }] };
  assert.equal(refused(boost, "abcd", { scores: [0.8, 0.6, 0.3, 0.2] }), undefined);
  assert.equal(refused(boost, "acbd", { scores: [0.8, 0.4, 0.6, 0.2] }), undefined);
  assert.match(
    refused(boost, "abcd", { scores: [0.8, 0.6, 0.5, 0.2] }) ?? "",
    /has 1 behind 0\.6/,
  );
});

Deno.test("an item with a tag of an item before it comes behind the items without", () => {
  const cap = { diversity: { kind: "cap", by: "tags", max: 1, top: 3 } };
  assert.equal(refused(cap, "acdb"), undefined);
  assert.equal(refused({ ...cap, filter: '"red" in tags' }, "ab"), undefined);
  assert.match(refused(cap, "abcd") ?? "", /has item 3 behind item 2, against its cap/);
  assert.equal(refused(cap, "ac", { limit: 2 }), undefined);
  assert.match(refused(cap, "ab", { limit: 2 }) ?? "", /has item 3 behind item 2/);
});

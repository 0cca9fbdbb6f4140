/** Wrong requests for recommendations and similar items. */
import type { BadInput } from "./bad_input.ts";

function wrong(name: string, path: string, body: unknown, ...errors: string[]): BadInput {
  return { name, path, body, status: 422, type: "invalid-request", detail: /./, errors };
}

export const recommend: readonly BadInput[] = [
  wrong(
    "a recommendation for no user",
    "/v1/recommend",
    {},
    '#/user is missing; send text of 1 to 256 characters without control characters, like "user-7"',
  ),
  wrong(
    "a recommendation with candidates of the client",
    "/v1/recommend",
    { user: "u", candidates: [{ id: "a" }] },
    "#/candidates is a list of 1 entry; send the number of items of each source, from 1 to 500; /v1/rank orders candidates of your own",
  ),
  wrong(
    "a recommendation of no items",
    "/v1/recommend",
    { user: "u", limit: 0 },
    "#/limit is 0; send a whole number from 1 to 500",
  ),
  wrong(
    "a recommendation from an unknown source",
    "/v1/recommend",
    { user: "u", sources: ["friends"] },
    '#/sources/0 is the text "friends"; send one of model, recent, popular, trending, history',
  ),
  wrong(
    "a recommendation from no source",
    "/v1/recommend",
    { user: "u", sources: [] },
    '#/sources is a list of 0 entries; send a list such as ["model", "recent"], of model, recent, popular, trending, history',
  ),
  {
    ...wrong(
      "a recommendation from the source recent without an order",
      "/v1/recommend",
      { user: "u", sources: ["recent"] },
      "#/sources is a list of 1 entry; leave recent out, or set recommend.recentBy in cairn.yaml",
    ),
    fixtureOnly: true,
  },
  wrong(
    "a recommendation with a wrong filter",
    "/v1/recommend",
    { user: "u", rules: { filter: "price <" } },
    '#/rules/filter is the text "price <"; at character 8: unexpected token',
  ),
  wrong(
    "items similar to none",
    "/v1/similar",
    { user: "u" },
    '#/item is missing; send text of 1 to 256 characters without control characters, like "item-1"',
  ),
  wrong(
    "similar items in an unknown order",
    "/v1/similar",
    { item: "a", orderBy: "price" },
    '#/orderBy is the text "price"; send "similarity" or "score"',
  ),
  wrong(
    "similar items with a misspelt field",
    "/v1/similar",
    { item: "a", limits: 5 },
    "#/limits is an unknown field; send only item, user, orderBy, limit, candidates, context, " +
      "userFields, timestamp, rules, scenario, learn, awaitShown, explain, rankingId (did you mean limit?)",
  ),
];

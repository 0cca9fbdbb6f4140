/** Wrong rules of a rank request. */
import { type BadInput, goodRank } from "./bad_input.ts";

function wrongRules(name: string, rules: unknown, ...errors: string[]): BadInput {
  return {
    name,
    body: { ...goodRank, rules },
    status: 422,
    type: "invalid-request",
    detail: /[^.?!][.?!]$/,
    errors,
  };
}

export const rules: readonly BadInput[] = [
  wrongRules(
    "rules that are a text",
    "price < 5",
    '#/rules is the text "price < 5"; send rules as a JSON object',
  ),
  wrongRules(
    "a misspelt rule",
    { filters: "price < 5" },
    "#/rules/filters is an unknown field; send only filter, boost, exclude, rotation, diversity, newItems, pin (did you mean filter?)",
  ),
  wrongRules(
    "a condition that ends early",
    { filter: "price <" },
    '#/rules/filter is the text "price <"; at character 8: unexpected token',
  ),
  wrongRules(
    "a condition on an attribute that is not declared",
    { filter: "prize < 5" },
    '#/rules/filter is the text "prize < 5"; at character 1: no attribute "prize" of item is declared; ' +
      "did you mean price? Declare others under attributes in cairn.yaml",
  ),
  wrongRules(
    "a condition of the wrong type",
    { boost: [{ when: "price == 'low'", factor: 2 }] },
    "#/rules/boost/0/when is the text \"price == 'low'\"; at character 10: it is a text, and the " +
      "other side is a number",
  ),
  wrongRules(
    "an empty condition",
    { filter: "" },
    '#/rules/filter is the text ""; send a condition of 1 to 1000 characters, like "price < 20"',
  ),
  wrongRules(
    "a boost by zero",
    { boost: [{ when: "hidden", factor: 0 }] },
    "#/rules/boost/0/factor is 0; send a number above 0 and at most 1000",
  ),
  wrongRules(
    "too many boosts",
    { boost: Array.from({ length: 33 }, () => ({ when: "hidden", factor: 2 })) },
    "#/rules/boost is a list of 33 entries; send a list of at most 32 boosts",
  ),
  wrongRules(
    "a cap on an attribute that is not declared",
    { diversity: { kind: "cap", by: "band", max: 2 } },
    '#/rules/diversity/by is the text "band"; no such attribute of items is declared; did you mean brand?',
  ),
  wrongRules(
    "a cap of no items",
    { diversity: { kind: "cap", by: "brand", max: 0 } },
    "#/rules/diversity/max is 0; send a whole number from 1 to 500",
  ),
  wrongRules(
    "a diversity of an unknown kind",
    { diversity: { kind: "spread" } },
    '#/rules/diversity/kind is the text "spread"; send a diversity rule of kind "cap" or "mmr"',
  ),
  wrongRules(
    "a diversity that weighs the score more than once",
    { diversity: { kind: "mmr", lambda: 2 } },
    "#/rules/diversity/lambda is 2; send a number from 0 to 1",
  ),
  wrongRules(
    "two pins at one position, and one item twice",
    { pin: [{ item: "a", position: 1 }, { item: "b", position: 1 }, { item: "a", position: 2 }] },
    "#/rules/pin/1/position is 1; pin one item at a position",
    '#/rules/pin/2/item is the text "a"; pin each item once',
  ),
  wrongRules(
    "a pin before the first position",
    { pin: [{ item: "a", position: 0 }] },
    "#/rules/pin/0/position is 0; send a whole number from 1 to 500",
  ),
  wrongRules(
    "an exclusion by an action of which no history is kept",
    { exclude: [{ what: "purchase", withinSeconds: 60 }] },
    '#/rules/exclude/0/what is the text "purchase"; no history of this action is kept (kept: shown, ' +
      "click); add { kind: history, action: purchase, last: 100 } to kept.features in cairn.yaml",
  ),
  wrongRules(
    "an exclusion by an action whose name an answer should not repeat",
    { exclude: [{ what: "x".repeat(257), withinSeconds: 60 }] },
    `#/rules/exclude/0/what is a text of 257 characters that begins "${"x".repeat(40)}"; ` +
      'send "shown" or the name of an action, of at most 256 characters',
  ),
  wrongRules(
    "an exclusion without a time",
    { exclude: [{ what: "shown" }] },
    "#/rules/exclude/0/withinSeconds is missing; send a number of seconds above 0 and at most " +
      "31536000, a year",
  ),
  wrongRules(
    "a rotation that lowers nothing",
    { rotation: { withinSeconds: 60, penalty: 0 } },
    "#/rules/rotation/penalty is 0; send a number above 0 and at most 1",
  ),
  wrongRules(
    "new items without a condition",
    { newItems: { share: 0.1 } },
    '#/rules/newItems/when is missing; send a condition of 1 to 1000 characters, like "price < 20"',
  ),
  wrongRules(
    "new items by a condition that is not true or false",
    { newItems: { when: "price", share: 0.1 } },
    '#/rules/newItems/when is the text "price"; at character 1: it gives a number; write a ' +
      "condition, such as price < 20",
  ),
  wrongRules(
    "a share of new items beyond all positions",
    { newItems: { when: "price < 5", share: 1.5 } },
    "#/rules/newItems/share is 1.5; send a number above 0 and at most 1",
  ),
  wrongRules(
    "a share of no positions",
    { newItems: { when: "price < 5", share: 0, top: 0 } },
    "#/rules/newItems/share is 0; send a number above 0 and at most 1",
    "#/rules/newItems/top is 0; send a whole number from 1 to 500",
  ),
  wrongRules(
    "a misspelt field of new items",
    { newItems: { when: "price < 5", part: 0.1 } },
    "#/rules/newItems/share is missing; send a number above 0 and at most 1",
    "#/rules/newItems/part is an unknown field; send only when, share, top",
  ),
  {
    name: "a scenario that cairn.yaml does not have",
    body: { ...goodRank, scenario: "hom" },
    status: 422,
    type: "invalid-request",
    detail: /scenario/,
    errors: [
      '#/scenario is the text "hom"; send one of cairn.yaml: home (did you mean home?)',
    ],
  },
  {
    name: "an attribute of another type than rules read",
    body: {
      user: "u",
      candidates: [{ id: "a", fields: { price: "5" } }],
      userFields: { age: "old" },
      scenario: "home",
    },
    status: 422,
    type: "invalid-request",
    detail: /./,
    errors: [
      '#/userFields/age is the text "old"; rules read it as a number, so send a number, or null',
      '#/candidates/0/fields/price is the text "5"; rules read it as a number, so send a number, or null',
    ],
  },
];

/** Wrong reports of shown items. */
import type { BadInput } from "./bad_input.ts";

const path = "/v1/shown";
const goodReport = { rankingId: "known", items: ["a"] };

export const shown: readonly BadInput[] = [
  {
    name: "a report on an unknown ranking",
    path,
    body: { ...goodReport, rankingId: "never" },
    status: 422,
    type: "unknown-ranking",
    detail: /rankingId "never" is not a ranking that is remembered/,
  },
  {
    name: "a report of an item that the ranking does not have",
    path,
    body: { ...goodReport, items: ["a", "z"] },
    status: 422,
    type: "item-not-shown",
    detail: /ranking "known": it names items that are not in the ranking's answer/,
    errors: [
      '#/items/1 is "z", which is not in the answer of that ranking; report items of the answer, ' +
      "or of the list that the ranking had as shown",
    ],
  },
  {
    name: "a report of no items",
    path,
    body: { ...goodReport, items: [] },
    status: 422,
    type: "invalid-request",
    detail: /items is a list of 0 entries; send a list of 1 to 500 items of the ranking/,
  },
  {
    name: "a report of 501 items",
    path: `${path}?large`,
    body: { ...goodReport, items: Array.from({ length: 501 }, (_, i) => `i${i}`) },
    status: 422,
    type: "invalid-request",
    detail: /items is a list of 501 entries; send a list of 1 to 500 items/,
  },
  {
    name: "a report whose items are objects",
    path,
    body: { ...goodReport, items: [{ id: "a" }] },
    status: 422,
    type: "invalid-request",
    detail: /items\/0 is an object; send text of 1 to 256 characters .*, like "item-1"/,
  },
  {
    name: "a report with the word of an event",
    path,
    body: { ...goodReport, item: "a" },
    status: 422,
    type: "invalid-request",
    detail: /item is an unknown field.*did you mean items\?/,
  },
  {
    name: "a report of the future",
    path,
    body: { ...goodReport, timestamp: 99_999_999_999_999 },
    status: 422,
    type: "timestamp-ahead",
    detail: /ahead of the server's clock/,
  },
  {
    name: "shown items in a ranking that awaits reports of them",
    body: { user: "u", candidates: [{ id: "a" }], shown: ["a"], awaitShown: true },
    status: 422,
    type: "invalid-request",
    detail: /awaitShown comes with shown; send shown now, or awaitShown and report later/,
  },
];

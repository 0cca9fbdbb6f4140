/** Wrong events. */
import { type BadInput, goodEvent } from "./bad_input.ts";

export const events: readonly BadInput[] = [
  {
    name: "an event for an unknown ranking",
    path: "/v1/events",
    body: { ...goodEvent, rankingId: "never" },
    status: 422,
    type: "unknown-ranking",
    detail: /rankingId "never" is not a ranking that is remembered/,
    errors: [
      '#/rankingId is "never", which is not a ranking that is remembered; ' +
      "send the rankingId of a recent answer that was not made with learn: false, or the user " +
      "instead of the rankingId",
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
    name: "an event of which several fields have other names",
    path: "/v1/events",
    body: { eventId: "e", ranking: "known", itemId: "a", action: "click" },
    status: 422,
    type: "invalid-request",
    detail: /item is missing.*and 2 more/,
    errors: [
      '#/item is missing; send text of 1 to 256 characters without control characters, like "item-1"',
      "#/ranking is an unknown field; send only eventId, rankingId, user, item, action, value, timestamp (did you mean rankingId?)",
      "#/itemId is an unknown field; send only eventId, rankingId, user, item, action, value, timestamp (did you mean item?)",
    ],
  },
  {
    name: "a value past the range of float32",
    path: "/v1/events",
    body: { ...goodEvent, value: 1e39 },
    status: 422,
    type: "invalid-request",
    detail: /value is 1e\+39; send a number within ±3\.4e38/,
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
];

/** Wrong timestamps, and lists inside an object. */
import { type BadInput, goodEvent, goodRank } from "./bad_input.ts";
import { startMs } from "../fixture.ts";

export const timestamps: readonly BadInput[] = [
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
];

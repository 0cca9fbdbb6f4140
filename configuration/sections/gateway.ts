/**
 * `gateway` and `ranker`: the HTTP door, and the part that answers behind it.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

export const gatewaySection = z.strictObject({
  host: z.string().min(1).default("127.0.0.1")
    .describe("Address to listen on; 0.0.0.0 = every interface."),
  port: z.int().min(0).max(65_535).default(8080).describe("0 = any free port."),
  apiKeys: z.array(z.string().min(16)).default([])
    .describe(
      "Keys that open /v1, each of 16 characters or more, or ${NAME} for one from the environment. Empty = open to everyone.",
    ),
  bodyMax: size("1KiB", "1GiB").default(2 ** 20).describe("Largest request body."),
  deadline: duration("1ms", "10m").default(1000).describe("Time that one request may take."),
  requestsInFlightMax: z.int().min(1).max(1_000_000).default(1024)
    .describe("Requests in progress; one more is answered 429."),
  timestampAheadMax: duration("0ms", "365d").default(60_000)
    .describe("How far a timestamp may lie ahead of this machine's clock."),
  eventsRememberedMax: z.int().min(0).max(100_000_000).default(200_000)
    .describe("Event ids remembered, so that a repeated event changes nothing."),
  rankingsRememberedMax: z.int().min(0).max(100_000_000).default(100_000)
    .describe("Rankings remembered, so that an event for an unknown one is told apart."),
  unknownRankings: z.enum(["refuse", "accept"]).default("refuse")
    .describe("What an event for a ranking that is not remembered gets."),
  docsPage: z.boolean().default(true).describe("Serve the page to try the API."),
}).describe("The HTTP door.");

export const rankerSection = z.strictObject({
  lookupBudget: duration("1ms", "10m").default(500).describe("Time for one lookup of rows."),
  batchRowsMax: z.int().min(1).max(100_000).default(2048)
    .describe("Candidates scored together when requests wait."),
  requestsWaitingMax: z.int().min(1).max(1_000_000).default(1024)
    .describe("Requests that may wait for a forward pass; one more is answered 503."),
  scoreWeights: z.record(z.string(), z.number().min(-1e6).max(1e6)).default({}).describe(
    "What a task's prediction counts in the score that orders the items, by name: the score is the weighted sum. May be negative (a task that predicts hiding); 0 where a task is left out. Without any, the first task alone is the score.",
  ),
}).describe("The part that scores.");

export type GatewaySection = z.output<typeof gatewaySection>;
export type RankerSection = z.output<typeof rankerSection>;

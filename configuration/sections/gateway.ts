/**
 * `gateway` and `ranker`: the HTTP server, and scoring.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

export const gatewaySection = z.strictObject({
  host: z.string().min(1).default("127.0.0.1")
    .describe("Address to listen on; 0.0.0.0 = all interfaces."),
  port: z.int().min(0).max(65_535).default(8080).describe("Port to listen on; 0 = any free port."),
  apiKeys: z.array(z.string().min(16)).default([])
    .describe(
      "API keys accepted by /v1, each of 16 characters or more; ${NAME} reads a key from the environment. Empty = no key needed.",
    ),
  bodyMax: size("1KiB", "1GiB").default(2 ** 20).describe("Maximum size of a request body."),
  bodiesMax: size("1KiB", "1TiB").default(2 ** 26)
    .describe(
      "Maximum size of the bodies of all requests in progress, at least `bodyMax`; further requests get status 429.",
    ),
  deadline: duration("1ms", "10m").default(1000).describe("Time limit of a request."),
  stopAfter: duration("0ms", "10m").optional().describe(
    "Time for which a server answers on after SIGTERM while /health/ready is 503, so that load balancers leave it out before it refuses requests. Default: 10s where the mesh has another serving host, else 0ms.",
  ),
  requestsInFlightMax: z.int().min(1).max(1_000_000).default(1024)
    .describe("Maximum of requests in progress; further requests get status 429."),
  timestampAheadMax: duration("0ms", "365d").default(60_000)
    .describe("Maximum by which a timestamp may be ahead of this machine's clock."),
  eventsRememberedMax: z.int().min(0).max(100_000_000).optional()
    .describe(
      "Events remembered to detect repeated ones. Default: 8/7 of `joiner.impressionsMax`.",
    ),
  rankingsRememberedMax: z.int().min(0).max(100_000_000).optional()
    .describe(
      "Rankings remembered to detect events for unknown ones. Default: 8/7 of `joiner.impressionsMax`, so that every ranking that the joiner holds is known.",
    ),
  unknownRankings: z.enum(["refuse", "accept"]).default("refuse")
    .describe("Treatment of an event for a ranking that is not remembered."),
  eventsWithoutRanking: z.strictObject({
    match: z.enum(["lastShown", "none"]).default("lastShown")
      .describe(
        "lastShown: the event goes to the newest ranking that showed the item to the user; none: it never goes to a ranking that was served.",
      ),
    within: duration("1s", "90d").optional()
      .describe(
        "Time after a ranking in which an event may go to it. Default: the longest of `joiner.window` and `joiner.lateLabels`.",
      ),
    negatives: z.int().min(0).max(100).default(4)
      .describe(
        "Sampled items with which an event is learned from if no ranking showed its item; 0 = nothing is learned from it.",
      ),
    uniformShare: z.number().min(0).max(1).default(0.25)
      .describe(
        "Share of the sampled items, also those of `cairn import`, that are drawn from all known items alike. The others come from the newest events, popular items more often.",
      ),
    itemsSeen: z.int().min(2).max(100_000).default(50)
      .describe(
        "Items that the user of such an event is assumed to have seen; the loss corrects for the sample.",
      ),
  }).prefault({}).describe("Events that name a user instead of a ranking."),
  tracedShare: z.number().min(0).max(1).default(0).describe(
    "Share of the requests whose spans are recorded when the process runs with `OTEL_DENO=true`; a caller that sends `traceparent` decides itself.",
  ),
  docsPage: z.boolean().default(true).describe("Serves a page to try the API."),
  console: z.boolean().default(true).describe(
    "Serves a console for operators at /console; what it shows needs an API key where there are any.",
  ),
}).describe("The HTTP server.");

export const rankerSection = z.strictObject({
  lookupBudget: duration("1ms", "10m").default(500).describe("Time limit of a lookup of rows."),
  batchRowsMax: z.int().min(1).max(100_000).default(2048)
    .describe("Maximum of candidates scored together when several requests wait."),
  requestsWaitingMax: z.int().min(1).max(1_000_000).default(1024)
    .describe("Maximum of requests waiting to be scored; further requests get status 503."),
  scoreWeights: z.record(z.string(), z.number().min(-1e6).max(1e6)).default({}).describe(
    "Weights of the tasks' predictions in the score, by task name; the score is the weighted sum. Negative for undesired actions (hide); a task left out has weight 0. Default: the score is the first task's prediction.",
  ),
  scenario: z.string().min(1).optional().describe(
    "Scenario of requests that name none. Default: no rules.",
  ),
}).describe("Scoring and ordering of candidates.");

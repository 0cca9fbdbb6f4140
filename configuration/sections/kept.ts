/**
 * `kept`: the features that the server keeps itself from rankings and events.
 */
import { z } from "zod";
import { duration } from "../units.ts";

const by = z.enum(["user", "item"]).describe(
  "Owner of the feature, whose attribute it becomes: a slot reads it with this `source`, under the feature's name.",
);
const of = z.string().min(1).describe(
  "Name of the action that counts; shown = an item of a ranking.",
);
const valueAtLeast = z.number().optional().describe("Counts only actions of at least this value.");
const valueBelow = z.number().optional().describe("Counts only actions below this value.");
const window = duration("1m", "365d").describe(
  "Length of the sliding window, on the data clock; it moves by twelfths.",
);

const feature = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("history"),
    action: z.string().min(1).describe("Name of the action; shown = an item of a ranking."),
    last: z.int().min(1).max(1000).describe("Items kept at most, the newest first, each once."),
  }).describe("A user's newest items of an action, for a slot of kind list and for rules."),
  z.strictObject({ kind: z.literal("count"), by, of, valueAtLeast, valueBelow, window })
    .describe("Number of events in the window."),
  z.strictObject({
    kind: z.literal("rate"),
    by,
    of,
    valueAtLeast,
    valueBelow,
    per: z.string().min(1).default("shown").describe("Name of the action that is counted below."),
    window,
    prior: z.strictObject({
      rate: z.number().min(0).max(1e6).describe("Rate of a key without events."),
      weight: z.number().positive().max(1e9)
        .describe("Events after which the key's own rate weighs as much as the prior."),
    }).describe("Draws the rate to a value while there are few events."),
  }).describe("(count(of) + rate · weight) / (count(per) + weight) in the window."),
  z.strictObject({ kind: z.literal("trend"), by, of, valueAtLeast, valueBelow, window })
    .describe("ln((1 + events in the window) / (1 + mean of eight windows))."),
  z.strictObject({ kind: z.literal("since"), by, of, valueAtLeast, valueBelow })
    .describe("Hours since the last event; absent before the first."),
]);

export const keptSection = z.strictObject({
  features: z.record(z.string().min(1).max(128), feature).default({}).describe(
    "The features, by the name of the attribute that they become. They are read when a ranking is made and logged with it, so training sees the values that were served.",
  ),
  shards: z.int().min(1).max(64).default(1)
    .describe("Number of keepers; each has a part of the users and items."),
  usersMax: z.int().min(1).max(100_000_000).default(100_000).describe(
    "Maximum of users of a keeper; the one without an event for longest is forgotten.",
  ),
  itemsMax: z.int().min(1).max(100_000_000).default(1_000_000).describe(
    "Maximum of items of a keeper; the one without an event for longest is forgotten.",
  ),
  budget: duration("1ms", "10s").default(50)
    .describe("Time for the keepers to answer; a ranking then goes on without kept features."),
}).describe("Features that the server keeps from rankings and events: histories, counts, rates.");

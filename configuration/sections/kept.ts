/**
 * `kept`: the features that the server keeps itself from rankings and events.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

const by = z.enum(["user", "item"]).describe(
  "Owner of the feature, whose attribute it becomes: a slot reads it with this `source`, under the feature's name.",
);
const of = z.string().min(1).describe(
  "Name of the action that counts; shown = an item of a ranking.",
);
const valueAtLeast = z.number().optional().describe("Counts only actions of at least this value.");
const valueBelow = z.number().optional().describe("Counts only actions below this value.");
const window = duration("1m", "365d").optional().describe(
  "Length of the sliding window, on the data clock; it moves by twelfths. Write window or session.",
);
const session = duration("1m", "1d").optional().describe(
  "Counts within the user's session, which ends when the user has had no ranking and no event for this long. Write window or session.",
);
const slot = z.string().min(1).max(128).optional().describe(
  "Slot of items, such as a category: counts the user's events on items with a value in common with the candidate. The feature is then an attribute of items. Only with by: user.",
);
const counted = { by, slot, of, valueAtLeast, valueBelow };
const weight = z.number().positive().max(1e9)
  .describe("Events after which the key's own value weighs as much as the prior.");

const feature = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("history"),
    action: z.string().min(1).describe("Name of the action; shown = an item of a ranking."),
    valueAtLeast,
    valueBelow,
    last: z.int().min(1).max(1000).describe("Items kept at most, the newest first, each once."),
    session: duration("1m", "1d").optional().describe(
      "Only items of the user's session, which ends when the user has had no ranking and no event for this long. Default: all.",
    ),
  }).describe("A user's newest items of an action, for a slot of kind list and for rules."),
  z.strictObject({ kind: z.literal("count"), ...counted, window, session })
    .describe("Number of events in the window or session."),
  z.strictObject({
    kind: z.literal("rate"),
    ...counted,
    per: z.string().min(1).default("shown").describe("Name of the action that is counted below."),
    window,
    session,
    prior: z.strictObject({
      rate: z.number().min(0).max(1e6).describe("Rate of a key without events."),
      weight,
    }).meta({
      description: "Draws the rate to a value while there are few events.",
      expected: "a map such as { rate: 0.05, weight: 20 }",
    }),
  }).describe("(count(of) + rate · weight) / (count(per) + weight) in the window or session."),
  z.strictObject({
    kind: z.literal("mean"),
    ...counted,
    window,
    session,
    prior: z.strictObject({
      value: z.number().min(-1e9).max(1e9).describe("Mean of a key without events."),
      weight,
    }).meta({
      description: "Draws the mean to a value while there are few events.",
      expected: "a map such as { value: 3.5, weight: 20 }",
    }),
  }).describe(
    "(sum of the events' values + value · weight) / (count + weight) in the window or session.",
  ),
  z.strictObject({
    kind: z.literal("trend"),
    ...counted,
    window: duration("1m", "365d").describe("Length of the sliding window, on the data clock."),
  }).describe("ln((1 + events in the window) / (1 + mean of eight windows))."),
  z.strictObject({ kind: z.literal("since"), ...counted })
    .describe("Hours since the last event; absent before the first."),
  z.strictObject({ kind: z.literal("age"), ...counted })
    .describe("Hours since the first event that the keeper remembers; absent before it."),
]);

export const keptSection = z.strictObject({
  features: z.record(z.string().min(1).max(128), feature).default({}).describe(
    "The features, by the name of the attribute that they become. They are read when a ranking is made and logged with it, so training sees the values that were served.",
  ),
  shards: z.int().min(1).max(64).default(1)
    .describe("Number of keepers; each has a part of the users and items."),
  bytesMax: size("1MiB", "1TiB").default(256 * 2 ** 20).describe(
    "Memory of a keeper. Beyond it, the user, item, ranking or event whose last record is the oldest is dropped.",
  ),
  valuesMax: z.int().min(1).max(10_000).default(128).describe(
    "Maximum of values of a slot that are kept of a user; the value without an event for longest is dropped.",
  ),
  budget: duration("1ms", "10s").default(50)
    .describe("Time for the keepers to answer; a ranking then goes on without kept features."),
}).describe("Features that the server keeps from rankings and events: histories, counts, rates.");

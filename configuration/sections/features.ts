/**
 * `features`: the slots, by name.
 */
import { z } from "zod";
import { SLOT_NUMBER_MAX } from "../../kernels/features/schema.ts";
import { size } from "../units.ts";

const pooling = z.enum(["sum", "mean", "sqrtn", "first"])
  .describe("Combination of a row's values into one vector.");
const source = z.enum(["user", "item", "context"])
  .describe("Owner of the attribute; context = the request.");
const attribute = z.string().min(1).optional()
  .describe("Name of the attribute. Default: the slot's name.");
const slot = z.int().min(1).max(SLOT_NUMBER_MAX).optional().describe(
  "Slot number in this slot's feature ids. Default: derived from the name. Set it when you rename a slot, so that it keeps its rows.",
);

const idsOf = z.string().optional().describe(
  "Name of another slot whose ids and rows this slot shares: an item in the list of a user's recent items is then the same feature as the candidate item.",
);

const embeddingDim = z.int().min(0).max(512).optional().describe(
  "Width of this slot's embeddings. Default: the model's embeddingDim. 0 = a first-order weight only, in models that have one. Models with dot products (factorizationMachine, deepFm, dlrm) accept only 0 and the default.",
);

const buckets = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("log"),
    unit: z.number().positive().default(1)
      .describe(
        "Scale of the smallest distinguished values; values well below it share the first buckets.",
      ),
    perDoubling: z.number().positive().max(1000).default(2)
      .describe("Buckets between a value and its double."),
  }).describe("Buckets whose width grows with the value."),
  z.strictObject({
    kind: z.literal("linear"),
    width: z.number().positive().describe("Width of a bucket in the attribute's unit."),
  }).describe("Buckets of equal width."),
]).describe("Maps the number to a bucket, whose index is a feature id.");

/** The greatest `clip`: every clipped value is finite as float32. */
const CLIP_MAX = 3e38;

const clip = z.number().positive().max(CLIP_MAX).default(1e4)
  .describe(
    "Bound of the scaled value's magnitude: one huge value would ruin a batch's gradients.",
  );

const dense = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none"), clip }).describe("x, clipped to [-clip, clip]"),
  z.strictObject({ kind: z.literal("log") }).describe("sign(x) · ln(1 + |x|)"),
  z.strictObject({
    kind: z.literal("standard"),
    mean: z.number().describe("Mean of the attribute."),
    stddev: z.number().positive().describe("Standard deviation of the attribute."),
    clip,
  }).describe("(x - mean) / stddev, clipped to [-clip, clip]"),
  z.strictObject({
    kind: z.literal("range"),
    low: z.number().describe("Value that becomes 0."),
    high: z.number().describe("Value that becomes 1; above low."),
  }).describe("(x - low) / (high - low), clipped to [0, 1]"),
]).describe(
  "Passes the number to the model as a dense value with this scaling; missing attributes give 0.",
);

export const slotSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("id"),
    source: z.enum(["user", "item"]).describe("Owner of the id."),
    slot,
    embeddingDim,
  }).describe("The id of the user or the item."),
  z.strictObject({ kind: z.literal("categorical"), source, attribute, slot, embeddingDim, idsOf })
    .describe("One value: a string, a number or a boolean."),
  z.strictObject({
    kind: z.literal("list"),
    source,
    attribute,
    slot,
    embeddingDim,
    idsOf,
    pooling: pooling.default("mean"),
    valuesMax: z.int().min(1).max(1000).default(32)
      .describe("Values used per row; further values are ignored."),
  }).describe("A list of strings."),
  z.strictObject({
    kind: z.literal("numeric"),
    source,
    attribute,
    slot,
    embeddingDim,
    buckets: buckets.optional(),
    dense: dense.optional(),
  }).describe("A number: as a bucketed id, as a dense value, or both."),
  z.strictObject({
    kind: z.literal("cross"),
    of: z.array(z.string()).min(2).max(3).describe("Names of the combined slots."),
    slot,
    embeddingDim,
    pooling: pooling.default("mean"),
    valuesMax: z.int().min(1).max(1000).default(64)
      .describe("Combinations used per row; further combinations are ignored."),
  }).describe("Every combination of the values of two or three other slots."),
  z.strictObject({
    kind: z.literal("time"),
    part: z.enum(["hourOfDay", "dayOfWeek", "hourOfWeek"]).describe("The part of the time."),
    utcOffsetMinutes: z.int().min(-14 * 60).max(14 * 60).default(0)
      .describe("Offset from UTC of the local time, in minutes."),
    slot,
    embeddingDim,
  }).describe("A part of the request's time."),
]);

export const featuresSection = z.strictObject({
  itemCache: size("0B", "4GiB").default(64 * 2 ** 20).describe(
    "Memory of the cache of item features, about 100 bytes per item. 0B = no cache.",
  ),
  slots: z.record(z.string().min(1), slotSchema)
    .describe("The feature columns, by name; at most 256."),
}).describe("Features extracted from a request.");

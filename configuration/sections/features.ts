/**
 * `features`: the slots by name, and how each is made.
 */
import { z } from "zod";
import { SLOT_NUMBER_MAX } from "../../kernels/features/schema.ts";
import { size } from "../units.ts";

const pooling = z.enum(["sum", "mean", "sqrtn", "first"])
  .describe("How several values of one row become one vector.");
const source = z.enum(["user", "item", "context"])
  .describe("Whose attributes it reads; context is the request's own.");
const attribute = z.string().min(1).optional()
  .describe("The attribute's name; the slot's own name where it is left out.");
const slot = z.int().min(1).max(SLOT_NUMBER_MAX).optional().describe(
  "The number in this slot's feature ids; derived from the name where it is left out. Keep it when you rename a slot.",
);

const idsOf = z.string().optional().describe(
  "Another slot, by name, whose ids and rows these values share: an item's id is then the same feature in the list of a user's recent items as in the candidate.",
);

const embeddingDim = z.int().min(0).max(512).optional().describe(
  "Weights of this slot's embeddings, where not the model's embeddingDim; 0 = a first-order weight only, in models that have one. Models with dot products (factorizationMachine, deepFm, dlrm) take only 0 and their own.",
);

const buckets = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("log"),
    unit: z.number().positive().default(1)
      .describe("Values well below this share the first buckets."),
    perDoubling: z.number().positive().max(1000).default(2)
      .describe("Buckets from one value to its double."),
  }),
  z.strictObject({
    kind: z.literal("linear"),
    width: z.number().positive().describe("Width of a bucket, in the attribute's unit."),
  }),
]).describe("Makes the number a categorical id.");

const dense = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("none") }).describe("x"),
  z.strictObject({ kind: z.literal("log") }).describe("sign(x) · ln(1 + |x|)"),
  z.strictObject({
    kind: z.literal("standard"),
    mean: z.number(),
    stddev: z.number().positive(),
  }).describe("(x - mean) / stddev"),
  z.strictObject({
    kind: z.literal("range"),
    low: z.number(),
    high: z.number(),
  }).describe("(x - low) / (high - low), clipped to [0, 1]"),
]).describe("Gives the number to the model as a dense value, scaled; absent attributes give 0.");

const slotSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("id"),
    source: z.enum(["user", "item"]).describe("Whose id it is."),
    slot,
    embeddingDim,
  }).describe("The user's or the item's own id."),
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
      .describe("Values after these are left out."),
  }).describe("A list of strings."),
  z.strictObject({
    kind: z.literal("numeric"),
    source,
    attribute,
    slot,
    embeddingDim,
    buckets: buckets.optional(),
    dense: dense.optional(),
  }).describe("A number: as a bucket's id, as a dense value, or both."),
  z.strictObject({
    kind: z.literal("cross"),
    of: z.array(z.string()).min(2).max(3).describe("Names of the slots that are combined."),
    slot,
    embeddingDim,
    pooling: pooling.default("mean"),
    valuesMax: z.int().min(1).max(1000).default(64)
      .describe("Combinations after these are left out."),
  }).describe("Every combination of the values of two or three other slots."),
  z.strictObject({
    kind: z.literal("time"),
    part: z.enum(["hourOfDay", "dayOfWeek", "hourOfWeek"]),
    utcOffsetMinutes: z.int().min(-14 * 60).max(14 * 60).default(0)
      .describe("Added to UTC before the part is taken."),
    slot,
    embeddingDim,
  }).describe("A part of the request's own time."),
]);

export const featuresSection = z.strictObject({
  itemCache: size("0B", "4GiB").default(64 * 2 ** 20).describe(
    "Memory for features of items, kept from one request to the next: about 100 bytes an item. 0B = none are kept.",
  ),
  slots: z.record(z.string().min(1), slotSchema)
    .describe("The feature columns, by name; at most 256."),
}).describe("What a request is turned into.");

export type FeaturesSection = z.output<typeof featuresSection>;

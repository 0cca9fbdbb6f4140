/**
 * `embeddings`: how rows begin, learn, are admitted and expire, and how much memory they may take.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";
import { learningRateSchedule } from "./learning_rate_schedule.ts";

/** Admission counters are 16 bits wide. */
export const admissionThresholdMax = 65_535;

const initializer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("zeros") }),
  z.strictObject({ kind: z.literal("constant"), value: z.number() }),
  z.strictObject({
    kind: z.literal("uniform"),
    low: z.number().default(-0.02),
    high: z.number().default(0.02),
  }),
  z.strictObject({
    kind: z.literal("normal"),
    mean: z.number().default(0),
    stddev: z.number().positive().default(0.01),
  }),
]).describe("A row's first value: a function of seed, feature id and column alone.");

const common = {
  learningRate: z.number().positive().max(100),
  weightDecay: z.number().min(0).max(1).optional()
    .describe("L2 decay added to the gradient: g + weightDecay · w."),
  gradientClip: z.number().positive().optional()
    .describe("Elementwise clip of the gradient to [-gradientClip, gradientClip]."),
};
const initialAccumulator = z.number().min(0).default(0.1);
const share = z.number().min(0).lt(1);

const optimizer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), ...common }),
  z.strictObject({
    kind: z.literal("momentum"),
    ...common,
    momentum: share.default(0.9),
    nesterov: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.literal("adagrad"), ...common, initialAccumulator }),
  z.strictObject({ kind: z.literal("rowwiseAdagrad"), ...common, initialAccumulator }),
  z.strictObject({
    kind: z.literal("adadelta"),
    ...common,
    averagingRatio: share.default(0.9),
    epsilon: z.number().positive().default(0.01),
  }),
  z.strictObject({
    kind: z.literal("adam"),
    ...common,
    beta1: share.default(0.9),
    beta2: share.default(0.99),
    epsilon: z.number().positive().default(0.01),
    amsgrad: z.boolean().optional(),
  }),
  z.strictObject({
    kind: z.literal("rmsprop"),
    ...common,
    momentum: share.default(0.9),
    version: z.union([z.literal(1), z.literal(2)]).default(1),
  }),
  z.strictObject({
    kind: z.literal("ftrl"),
    ...common,
    beta: z.number().min(0).default(0),
    initialAccumulator,
    l1: z.number().min(0).default(0),
    l2: z.number().min(0).default(0),
  }),
  z.strictObject({
    kind: z.literal("groupAdagrad"),
    ...common,
    beta: z.number().min(0).default(0),
    initialAccumulator,
    l2: z.number().min(0).default(0),
  }),
]).describe("How a row learns from its gradients.");

const rules = { initializer: initializer.optional(), optimizer: optimizer.optional() };
const sliceOverride = z.strictObject(rules)
  .describe("What is left out keeps the default of that slice.");
const slice = z.strictObject({
  ...rules,
  learningRateSchedule: learningRateSchedule.optional().describe(
    "How its learning rate changes with the batches that a shard has learned from, of all trainers; left out, it stays.",
  ),
}).describe("What is left out keeps the default of that slice.");

const admission = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("threshold"),
    threshold: z.int().min(0).max(admissionThresholdMax)
      .describe("Occurrences before an id gets a row; 0 = at once."),
  }),
  z.strictObject({
    kind: z.literal("probability"),
    probability: z.number().positive().max(1)
      .describe("Chance of a row at each occurrence."),
  }),
]).describe("When an id gets a row.");

const expiry = duration("1s", "36500d")
  .describe("A row that nothing updated for this long, on the data clock, is evicted.");

export const embeddingsSection = z.strictObject({
  seed: z.int().min(0).max(2 ** 32 - 1).default(1).describe("Seeds every row's first value."),
  slices: z.record(z.string(), slice).default({}).describe(
    "The parts of a row, by the name that the model gives them (first_order, embeddings, …).",
  ),
  admission: admission.default({ kind: "threshold", threshold: 0 }),
  expiry: expiry.optional(),
  slots: z.record(
    z.string(),
    z.strictObject({
      admission: admission.optional(),
      expiry: expiry.optional(),
      slices: z.record(z.string(), sliceOverride).default({}),
    }),
  ).default({}).describe("Slots that differ, by name."),
  bytesMax: size("1MiB", "1TiB").default(512 * 2 ** 20).describe(
    "Memory of all training tables together; each shard gets an equal part. While a snapshot is written, rows that change take up to a quarter more.",
  ),
  atLimit: z.enum(["reject", "evictLeastRecentlyUsed", "evictLeastFrequentlyUsed"])
    .default("evictLeastRecentlyUsed").describe("What happens at the limit."),
  evictionInterval: duration("100ms", "1d").default(10_000)
    .describe("How often a part of the table is searched for expired rows."),
  evictionBucketsMax: z.int().min(1).max(1_000_000).default(4096)
    .describe("Buckets looked at in one search: bounds its pause."),
  serving: z.strictObject({
    precision: z.enum(["fp32", "fp16", "int8"]).default("fp32")
      .describe("How served weights are stored."),
    bytesMax: size("1MiB", "1TiB").default(512 * 2 ** 20)
      .describe("Memory of all serving tables of one copy together."),
  }).prefault({}).describe("The tables that rankings read."),
}).describe("How rows begin, learn, are admitted and expire.");

export type EmbeddingsSection = z.output<typeof embeddingsSection>;

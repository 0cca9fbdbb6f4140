/**
 * `embeddings`: first values, optimizers, admission, expiry and memory of the rows.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";
import { learningRateSchedule } from "./learning_rate_schedule.ts";

/** Admission counters have 16 bits. */
export const ADMISSION_THRESHOLD_MAX = 65_535;

const initializer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("zeros") }).describe("0 everywhere."),
  z.strictObject({
    kind: z.literal("constant"),
    value: z.number().describe("The value of every weight."),
  }).describe("One value everywhere."),
  z.strictObject({
    kind: z.literal("uniform"),
    low: z.number().default(-0.02).describe("Lower bound."),
    high: z.number().default(0.02).describe("Upper bound, above low."),
  }).describe("Uniform between two bounds."),
  z.strictObject({
    kind: z.literal("normal"),
    mean: z.number().default(0).describe("Mean."),
    stddev: z.number().positive().default(0.01).describe("Standard deviation."),
  }).describe("Normal distribution."),
]).describe("First values of a row: a function of seed, feature id and column.");

const common = {
  learningRate: z.number().positive().max(100).describe("Step size."),
  weightDecay: z.number().min(0).max(1).optional()
    .describe("L2 regularization: adds weightDecay · w to the gradient."),
  gradientClip: z.number().positive().optional()
    .describe("Clips each element of the gradient to [-gradientClip, gradientClip]."),
};
const initialAccumulator = z.number().min(0).default(0.1)
  .describe("First value of the sum of squared gradients; smaller = larger first steps.");
const share = z.number().min(0).lt(1);
const momentum = share.default(0.9).describe("Share of the average that stays at each step.");
const epsilon = z.number().positive().default(0.01)
  .describe("Added to the denominator of the step.");
const beta = z.number().min(0).default(0)
  .describe("Added to the root of the accumulator: larger = smaller first steps.");

const optimizer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), ...common }).describe(
    "Stochastic gradient descent; no state.",
  ),
  z.strictObject({
    kind: z.literal("momentum"),
    ...common,
    momentum,
    nesterov: z.boolean().optional().describe("Adds Nesterov's look-ahead. Default: false."),
  }).describe("Momentum (Sutskever et al. 2013)."),
  z.strictObject({ kind: z.literal("adagrad"), ...common, initialAccumulator })
    .describe("One accumulator per weight (Duchi et al. 2011)."),
  z.strictObject({ kind: z.literal("rowwiseAdagrad"), ...common, initialAccumulator })
    .describe("Adagrad with one accumulator per row, for smaller rows (Gupta et al. 2014)."),
  z.strictObject({
    kind: z.literal("adadelta"),
    ...common,
    averagingRatio: share.default(0.9)
      .describe("Share of the running averages that stays at each step."),
    epsilon,
  }).describe("Step size from two running averages (Zeiler 2012)."),
  z.strictObject({
    kind: z.literal("adam"),
    ...common,
    beta1: share.default(0.9)
      .describe("Share of the mean of gradients that stays at each step."),
    beta2: share.default(0.99)
      .describe("Share of the mean of squared gradients that stays at each step."),
    epsilon,
    amsgrad: z.boolean().optional()
      .describe("Divides by the greatest mean so far (Reddi et al. 2018). Default: false."),
  }).describe("Adam; steps are counted per row (Kingma and Ba 2015)."),
  z.strictObject({
    kind: z.literal("rmsprop"),
    ...common,
    momentum,
    version: z.union([z.literal(1), z.literal(2)]).default(1)
      .describe("1 = mean of squared gradients, 2 = their decaying sum."),
  }).describe("RMSprop with 1 added to the denominator (Tieleman and Hinton 2012)."),
  z.strictObject({
    kind: z.literal("ftrl"),
    ...common,
    beta,
    initialAccumulator,
    l1: z.number().min(0).default(0)
      .describe("L1 regularization: weights with little evidence become 0."),
    l2: z.number().min(0).default(0).describe("L2 regularization."),
  }).describe("FTRL-Proximal: sparse weights (McMahan et al. 2013)."),
  z.strictObject({
    kind: z.literal("groupAdagrad"),
    ...common,
    beta,
    initialAccumulator,
    l2: z.number().min(0).default(0)
      .describe("Group regularization: a row of small norm becomes 0 as a whole."),
  }).describe("Adagrad with one accumulator per row and group lasso (Yuan and Lin 2006)."),
]).describe("Optimizer of the slice; its state is stored in the row.");

const rules = { initializer: initializer.optional(), optimizer: optimizer.optional() };
const sliceOverride = z.strictObject(rules)
  .describe(
    "Overrides for one slice of this slot; keys left out keep the value of embeddings.slices.",
  );
const slice = z.strictObject({
  ...rules,
  learningRateSchedule: learningRateSchedule.optional().describe(
    "Learning rate as a function of the number of batches, of all trainers, that the shard has applied. Default: constant.",
  ),
}).describe("Overrides for one slice; keys left out keep the slice's default.");

const admission = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("threshold"),
    threshold: z.int().min(0).max(ADMISSION_THRESHOLD_MAX)
      .describe("Occurrences before an id gets a row; 0 = the first occurrence."),
  }).describe("After a number of occurrences."),
  z.strictObject({
    kind: z.literal("probability"),
    probability: z.number().positive().max(1)
      .describe("Probability that an occurrence of an id without a row creates one."),
  }).describe("With a probability at each occurrence."),
]).describe("Condition for a new id to get a row.");

const expiry = duration("1s", "36500d")
  .describe("Evicts rows without an update for this long, on the data clock. Default: never.");

export const embeddingsSection = z.strictObject({
  seed: z.int().min(0).max(2 ** 32 - 1).default(1).describe("Seed of the rows' first values."),
  slices: z.record(z.string(), slice).default({}).describe(
    "Overrides by slice: the parts of a row, named by the model (first_order, embeddings).",
  ),
  admission: admission.default({ kind: "threshold", threshold: 0 }),
  expiry: expiry.optional(),
  slots: z.record(
    z.string(),
    z.strictObject({
      admission: admission.optional(),
      expiry: expiry.optional(),
      slices: z.record(z.string(), sliceOverride).default({}).describe("Overrides by slice."),
    }),
  ).default({}).describe("Overrides by slot name."),
  bytesMax: size("1MiB", "1TiB").default(512 * 2 ** 20).describe(
    "Memory of all training tables; each shard gets an equal part. While a snapshot is written, copies of changed rows take up to a quarter more. The rows of recent lookups take up to 1/64 of a table more, and 4MiB at most.",
  ),
  atLimit: z.enum(["reject", "evictLeastRecentlyUsed", "evictLeastFrequentlyUsed"])
    .default("evictLeastRecentlyUsed").describe(
      "Action when a new row does not fit: reject it, or evict others.",
    ),
  evictionInterval: duration("100ms", "1d").default(10_000)
    .describe("Interval between searches of a part of the table for expired rows."),
  evictionBucketsMax: z.int().min(1).max(1_000_000).default(4096)
    .describe("Buckets per search, which bounds its pause."),
  awaitedBytesMax: size("0B", "256MiB").default(32 * 2 ** 20).describe(
    "Size of the newest snapshot's rows up to which a start waits for all of them, however long they take. With more " +
      "it ranks at once with the rows that are loaded, absent rows at their initial values, and learns when all are " +
      "there. The default is some 200,000 rows of 17 weights, which load in a third of a second on an idle machine; " +
      "with the maximum a bucket that gives 4 MiB a second still lets a host restore a shard in a minute.",
  ),
  serving: z.strictObject({
    precision: z.enum(["fp32", "fp16", "int8"]).default("fp32")
      .describe(
        "Number format of served weights, in the serving tables and on the way to them.",
      ),
    bytesMax: size("1MiB", "1TiB").optional().describe(
      "Memory of the serving tables of all shards. A serving host takes its share of it: all of it, or that of the shards whose replicas it holds. Default: enough for every row that fits into embeddings.bytesMax, which is also the minimum.",
    ),
    replicas: z.union([z.literal("all"), z.int().min(1).max(64)]).default("all").describe(
      "Serving hosts that hold the rows of a shard: all of them, so that no lookup leaves a host, or so many, and lookups go to them.",
    ),
  }).prefault({}).describe("The read-only tables that rankings use."),
}).describe("First values, optimizers, admission and expiry of the learned rows.");

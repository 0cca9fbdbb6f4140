/**
 * `joiner` and `trainer`: labels from actions, and training on them.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

const FLOAT32_MAX = 3.4028234663852886e38;

/** A number that is finite as a 32-bit float, which labels are. */
const finite = z.number().min(-FLOAT32_MAX).max(FLOAT32_MAX);

const rule = z.strictObject({
  action: z.string().min(1).describe("Name of the action: click, rating, …"),
  valueAtLeast: z.number().optional().describe("Matches only if the action's value is ≥ this."),
  valueBelow: z.number().optional().describe("Matches only if the action's value is < this."),
  valueMin: finite.optional().describe(
    "Smallest value of the action that the API accepts; an event with a smaller one gets status 422. Declared once per action. Default: -|valueMax|, or no bound.",
  ),
  valueMax: finite.optional().describe(
    "Largest value of the action that the API accepts; an event with a larger one gets status 422. Declared once per action. Default: no bound.",
  ),
  label: z.enum(["positive", "negative", "value"]).describe(
    "The label: 1, 0, or (for a task with squaredError) the action's value. Bound a rule with label value by valueMax: then training knows which labels are possible, and does not take a large one for a mistake (trainer.explosionFactor).",
  ),
  final: z.boolean().default(false).describe(
    "Makes the item's example immediately instead of at the end of the window; later actions on the item are ignored.",
  ),
}).describe("A label rule; the first rule of a task that matches an action applies.");

export const joinerSection = z.strictObject({
  partitions: z.int().min(1).max(1024).default(1).describe(
    "Partitions of the event log. Each has a joiner, and the hosts with the role joiner share them out. The rankings, their events and the memory for open rankings are divided among them. Cannot change after the first start on a data directory; in a mesh with storage.redis, cairn apply changes it.",
  ),
  window: duration("1s", "90d").default(30 * 60_000)
    .describe(
      "Time that a ranking waits for actions, before items without a final action get their labels. Measured on the data clock, that is by the times of later requests and events; without any, the window stays open.",
    ),
  tasks: z.record(z.string(), z.array(rule).min(1)).default({}).describe(
    "Label rules, in order, by task; for all tasks of the model or for none. Default: the action with the task's name is positive, or with squaredError gives its value.",
  ),
  lateLabels: z.record(z.string(), duration("1s", "90d")).default({}).describe(
    "Time after a ranking in which a positive label is still learned from, by task, where the window decided the example before: { purchase: 7d }. Rankings are kept so long within impressionsMax and impressionsBytesMax. For tasks without squaredError. Default: late labels are not learned from.",
  ),
  negativeSampling: z.strictObject({
    rate: z.number().positive().max(1).default(1)
      .describe("Share of negatives kept; the loss corrects for the omitted ones."),
    seed: z.int().min(0).max(2 ** 32 - 1).default(1)
      .describe("Seed of the choice, which is a function of ranking and item."),
  }).prefault({}).describe("Sampling of negatives, to train on fewer examples."),
  impressionsMax: z.int().min(1).max(100_000_000).default(200_000)
    .describe("Maximum of open rankings; beyond it the oldest is closed early."),
  impressionsBytesMax: size("1MiB", "1TiB").default(2 ** 30).describe(
    "Memory for open rankings and the events on them, about 10 KiB per ranking with 100 candidates; beyond it the oldest is closed early. The process may hold twice as much.",
  ),
  actionsPerImpressionMax: z.int().min(1).max(100_000).default(1000)
    .describe("Maximum of actions kept per ranking; further actions are counted and dropped."),
  clockSkewMax: duration("0ms", "1d").default(60_000)
    .describe("Maximum by which an event's timestamp may be later than its acceptance."),
  recordsPerTurn: z.int().min(1).max(100_000).default(256).describe(
    "Event records joined per turn of the joiner, which bounds its pause.",
  ),
}).describe("Labels from actions.");

export const trainerSection = z.strictObject({
  count: z.int().min(1).max(64).default(1).describe(
    "Trainers, each with its own thread and dense model. The partitions of the example log are dealt to them. Trainers share the embeddings and average their dense weights.",
  ),
  partitions: z.int().min(1).max(1024).optional().describe(
    "Partitions of the example log, at least as many as trainers, and a multiple of joiner.partitions. The most trainers that there can be. Cannot change after the first start on a data directory; in a mesh with storage.redis, cairn apply changes it. Default: trainer.count, rounded up to a multiple of joiner.partitions.",
  ),
  averageInterval: duration("10ms", "1d").default(1000).describe(
    "Pause between averagings of dense weights, with several trainers.",
  ),
  batchRows: z.int().min(1).max(1_000_000).default(256).describe("Examples per training step."),
  linger: duration("0ms", "1h").default(20).describe(
    "Maximum waiting time of an example in the joiner until its batch is finished, even if the batch is not full. While the trainer is behind, up to half a second longer, so that it gets fewer, larger batches.",
  ),
  provider: z.enum(["cpu", "webgpu", "cuda", "auto"]).default("cpu")
    .describe(
      "Device of the dense model's steps; auto = CUDA if it works, else the CPU (the log says which).",
    ),
  threads: z.int().min(1).max(256).default(1).describe(
    "Threads per step of the dense model. In a pipelined trainer on the CPU they share batches of more than 512 examples.",
  ),
  chunksPerRead: z.int().min(1).max(100_000).default(64)
    .describe("Chunks of examples per read."),
  rowsWaitingMax: z.int().min(1).max(100_000_000).default(65_536)
    .describe("Maximum of rows read ahead of training."),
  shardBudget: duration("10ms", "10m").default(5000)
    .describe("Time limit of a lookup or gradient message; it grows while a shard takes longer."),
  shardAttemptsMax: z.int().min(1).max(1000).default(5)
    .describe(
      "Failed attempts per message before the trainer restarts. A slow shard is waited for.",
    ),
  validationBins: z.int().min(16).max(1_000_000).default(10_000)
    .describe("Bins of the score histograms of progressive validation."),
  explosionFactor: z.number().min(2).max(1e9).default(1000)
    .describe(
      "Stops training at a loss this many times the mean of recent losses; with squaredError, at an error this many times as large.",
    ),
  pipelined: z.boolean().default(false).describe(
    "Prepares the next batch during a step, in its own thread if placement is workers. Faster, but rows are read before the previous batch's gradients are applied.",
  ),
}).describe("Training on examples.");

/**
 * `joiner` and `trainer`: how actions become labels, and labels become steps.
 */
import { z } from "zod";
import { duration, size } from "../units.ts";

const rule = z.strictObject({
  action: z.string().min(1).describe("The action's name: click, rating, …"),
  valueAtLeast: z.number().optional().describe("Matches only where the action's value is ≥ this."),
  valueBelow: z.number().optional().describe("Matches only where the action's value is < this."),
  label: z.enum(["positive", "negative", "value"]).describe(
    "What the model shall predict: 1, 0, or (for a task with squaredError) the action's own value. Bound such a rule by valueBelow: one value far beyond all others makes a loss that stops training (trainer.explosionFactor).",
  ),
  final: z.boolean().default(false).describe(
    "Nothing later changes this item's labels: its example is made at once instead of when the window closes.",
  ),
}).describe("The first rule of a task that matches an action decides.");

export const joinerSection = z.strictObject({
  window: duration("1s", "90d").default(30 * 60_000)
    .describe(
      "How long a ranking waits for actions; then those that are not final are decided. It is measured on the data clock, the time of later requests and events: without them it stays open.",
    ),
  tasks: z.record(z.string(), z.array(rule).min(1)).default({}).describe(
    "Label rules by task of the model, in order: for all tasks or for none. For none: the action of a task's own name is positive, or with squaredError its value counts.",
  ),
  negativeSampling: z.strictObject({
    rate: z.number().positive().max(1).default(1)
      .describe("Share of negatives that is kept; the loss corrects for the rest."),
    seed: z.int().min(0).max(2 ** 32 - 1).default(1),
  }).prefault({}),
  impressionsMax: z.int().min(1).max(100_000_000).default(200_000)
    .describe("Rankings that may be open; one more closes the oldest early."),
  impressionsBytesMax: size("1MiB", "1TiB").default(2 ** 30).describe(
    "Memory for open rankings, some 10 KiB each at 100 candidates; one too many closes the oldest early.",
  ),
  actionsPerImpressionMax: z.int().min(1).max(100_000).default(1000)
    .describe("Actions remembered per ranking; more are counted and dropped."),
  clockSkewMax: duration("0ms", "1d").default(60_000)
    .describe("How far an event's own time may run ahead of its acceptance."),
  recordsPerTurn: z.int().min(1).max(100_000).default(256).describe("Event records per turn."),
  chunkRowsMax: z.int().min(1).max(100_000).default(1024)
    .describe("Rows that close a chunk of examples."),
}).describe("How actions become labels.");

export const trainerSection = z.strictObject({
  count: z.int().min(1).max(64).default(1).describe(
    "Trainers, each on a part of the examples. They share the embeddings and average their dense weights. Fixed by the first start on a data directory.",
  ),
  averageInterval: duration("10ms", "1d").default(1000).describe(
    "Pause between means of the trainers' dense weights, where there are several.",
  ),
  batchRows: z.int().min(1).max(1_000_000).default(256).describe("Rows per step."),
  linger: duration("0ms", "1h").default(20).describe(
    "A batch that is not full is trained on when its first row has waited this long.",
  ),
  provider: z.enum(["cpu", "webgpu", "cuda", "auto"]).default("cpu")
    .describe(
      "What runs the dense model's steps; auto is CUDA where it works, else the CPU, and the log says which.",
    ),
  threads: z.int().min(1).max(256).default(1).describe("Threads of the dense model's steps."),
  chunksPerRead: z.int().min(1).max(100_000).default(64)
    .describe("Chunks of examples read at a time."),
  rowsWaitingMax: z.int().min(1).max(100_000_000).default(65_536)
    .describe("Rows that may be read and not yet trained on."),
  shardBudget: duration("10ms", "10m").default(5000)
    .describe("Time for one lookup or gradient message."),
  shardAttemptsMax: z.int().min(1).max(1000).default(5)
    .describe("Attempts of one message before the trainer is restarted."),
  validationBins: z.int().min(16).max(1_000_000).default(10_000)
    .describe("Bins of the progressive validation's score histograms."),
  explosionFactor: z.number().min(2).max(1e9).default(1000)
    .describe(
      "A loss this many times the mean of recent ones stops training; of squared errors, an error this many times as large.",
    ),
  pipelined: z.boolean().default(false).describe(
    "Prepare the next batch during a step, which then has a thread of its own where placement has workers: faster, but the rows lack the last batch's gradients.",
  ),
}).describe("How the model learns from examples.");

export type JoinerSection = z.output<typeof joinerSection>;
export type TrainerSection = z.output<typeof trainerSection>;

/**
 * `model`: the dense part, what it predicts and how its own weights learn.
 */
import { z } from "zod";
import { learningRateSchedule } from "./learning_rate_schedule.ts";

const layers = z.array(z.int().min(1).max(8192)).max(8);
const hidden = layers.min(1).default([64, 32])
  .describe("Units of each hidden layer, input side first.");
const embeddingDim = z.int().min(1).max(512).default(16)
  .describe("Weights of one embedding.");
const dropout = z.number().min(0).lt(1).default(0)
  .describe("Share of hidden units silenced in training; none in serving.");
const normalization = z.enum(["none", "layer", "batch"]).default("none").describe(
  "Of the sums that enter each hidden ReLU: layer over a row's units (Ba et al. 2016), batch over a batch's rows, in serving by running means and variances (Ioffe and Szegedy 2015).",
);

const attention = z.array(z.strictObject({
  slot: z.string().describe("A list slot, by name: the user's recent items, newest first."),
  candidate: z.string().describe("The slot that each entry is compared with, by name."),
  lengthMax: z.int().min(1).max(1000).default(32).describe("Entries read of each list."),
  hidden: layers.min(1).default([32]).describe("Units of the tower that weighs an entry."),
})).default([]).describe(
  "List slots pooled by how much each entry matters to the candidate (Zhou et al. 2018).",
);

const moment = z.number().min(0).lt(1);
const everyOptimizer = {
  learningRate: z.number().positive().max(100),
  gradientClipNorm: z.number().positive().optional().describe(
    "Scales all dense gradients down so that their joint norm is at most this.",
  ),
  weightDecay: z.number().min(0).max(1).optional().describe(
    "L2 decay of the dense weights; adamW's is decoupled from the gradient.",
  ),
};
const moments = {
  beta1: moment.default(0.9),
  beta2: moment.default(0.999),
  epsilon: z.number().positive().default(1e-8),
};

const optimizer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), ...everyOptimizer }),
  z.strictObject({
    kind: z.literal("momentum"),
    ...everyOptimizer,
    momentum: moment.default(0.9),
    nesterov: z.boolean().default(false),
  }),
  z.strictObject({
    kind: z.literal("adagrad"),
    ...everyOptimizer,
    initialAccumulator: z.number().min(0).default(0.1),
    epsilon: z.number().positive().default(1e-10),
  }),
  z.strictObject({ kind: z.literal("adam"), ...everyOptimizer, ...moments }),
  z.strictObject({ kind: z.literal("adamW"), ...everyOptimizer, ...moments }),
]).describe("How the dense weights learn; embeddings have optimizers of their own.");

const everyModel = {
  tasks: z.array(z.string().min(1)).min(1).max(8).default(["click"])
    .describe(
      "What is predicted. The first task orders the ranking, unless ranker.scoreWeights says otherwise.",
    ),
  taskLosses: z.record(z.string(), z.enum(["binaryCrossEntropy", "squaredError"])).default({})
    .describe(
      "What a task learns by, by name: binaryCrossEntropy (whether; where it is left out) or squaredError (how much: minutes watched, stars).",
    ),
  taskWeights: z.record(z.string(), z.number().positive()).default({})
    .describe("Weight of a task in the summed loss, by name; 1 where it is left out."),
  optimizer: optimizer.prefault({ kind: "adam", learningRate: 0.001 }),
  learningRateSchedule: learningRateSchedule.optional()
    .describe("How the dense learning rate changes with the steps; left out, it stays."),
  seed: z.int().min(0).max(2 ** 32 - 1).default(1)
    .describe("Seeds the dense weights' first values and dropout."),
};

export const modelSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("logisticRegression"), ...everyModel })
    .describe("A weight per feature id: the baseline."),
  z.strictObject({
    kind: z.literal("factorizationMachine"),
    embeddingDim,
    attention,
    ...everyModel,
  })
    .describe("Weights and pairwise products (Rendle 2010)."),
  z.strictObject({
    kind: z.literal("wideAndDeep"),
    embeddingDim,
    attention,
    hidden,
    dropout,
    normalization,
    ...everyModel,
  })
    .describe("Weights beside a deep tower (Cheng et al. 2016)."),
  z.strictObject({
    kind: z.literal("deepFm"),
    embeddingDim,
    attention,
    hidden,
    dropout,
    normalization,
    ...everyModel,
  })
    .describe("Factorization machine and deep tower (Guo et al. 2017)."),
  z.strictObject({
    kind: z.literal("dcnV2"),
    embeddingDim,
    attention,
    hidden,
    crossLayers: z.int().min(1).max(8).default(2).describe("Explicit crosses, one a layer."),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Cross network and deep tower (Wang et al. 2021)."),
  z.strictObject({
    kind: z.literal("dlrm"),
    embeddingDim,
    attention,
    bottom: layers.default([64]).describe("Hidden units of the dense values' tower."),
    top: layers.default([64, 32]).describe("Hidden units over the interactions."),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Pairwise interactions under a tower (Naumov et al. 2019)."),
  z.strictObject({
    kind: z.literal("mmoe"),
    embeddingDim,
    attention,
    experts: z.int().min(1).max(64).default(4),
    expertHidden: layers.min(1).default([64, 32]).describe("Units of each expert's layers."),
    towerHidden: layers.default([16]).describe("Hidden units of each task's tower."),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Experts that several tasks mix by gates (Ma et al. 2018)."),
]).describe("The dense model.");

export type ModelSection = z.output<typeof modelSection>;

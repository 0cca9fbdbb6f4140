/**
 * `model`: the dense model, its tasks and its optimizer.
 */
import { z } from "zod";
import { learningRateSchedule } from "./learning_rate_schedule.ts";

const layers = z.array(z.int().min(1).max(8192)).max(8);
const hidden = layers.min(1).default([64, 32])
  .describe("Units per hidden layer, from the input side.");
const evenUnits = z.int().min(2).max(8192).multipleOf(2)
  .meta({ expected: "an even number from 2 to 8,192" });
const embeddingDim = z.int().min(1).max(512).default(16)
  .describe("Width of an embedding.");
const dropout = z.number().min(0).lt(1).default(0)
  .describe("Share of hidden units dropped in training.");
const normalization = z.enum(["none", "layer", "batch"]).default("none").describe(
  "Normalization before each hidden ReLU: layer = over the units of a row (Ba et al. 2016); batch = over the rows of a batch, in serving by running means and variances (Ioffe and Szegedy 2015).",
);

const attention = z.array(z.strictObject({
  slot: z.string().describe("Name of a list slot with the user's recent items, newest first."),
  candidate: z.string().describe("Name of the slot that entries are compared with."),
  lengthMax: z.int().min(1).max(1000).default(32).describe("Entries used per list."),
  hidden: layers.min(1).default([32]).describe(
    "Units per hidden layer of the tower that weighs an entry.",
  ),
})).default([]).describe(
  "List slots pooled by the entries' relevance to the candidate (Zhou et al. 2018).",
);

const moment = z.number().min(0).lt(1);
const everyOptimizer = {
  learningRate: z.number().positive().max(100).describe("Step size."),
  gradientClipNorm: z.number().positive().optional().describe(
    "Maximum of the joint norm of all dense gradients, which are scaled down to it.",
  ),
  weightDecay: z.number().min(0).max(1).optional().describe(
    "L2 regularization of the dense weights; adamW decouples it from the gradient.",
  ),
};
const moments = {
  beta1: moment.default(0.9)
    .describe("Share of the mean of gradients that stays at each step."),
  beta2: moment.default(0.999)
    .describe("Share of the mean of squared gradients that stays at each step."),
  epsilon: z.number().positive().default(1e-8).describe("Added to the denominator of the step."),
};

const optimizer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), ...everyOptimizer })
    .describe("Stochastic gradient descent."),
  z.strictObject({
    kind: z.literal("momentum"),
    ...everyOptimizer,
    momentum: moment.default(0.9).describe("Share of the velocity that stays at each step."),
    nesterov: z.boolean().default(false).describe("Adds Nesterov's look-ahead."),
  }).describe("Momentum (Sutskever et al. 2013)."),
  z.strictObject({
    kind: z.literal("adagrad"),
    ...everyOptimizer,
    initialAccumulator: z.number().min(0).default(0.1)
      .describe("First value of the sum of squared gradients; smaller = larger first steps."),
    epsilon: z.number().positive().default(1e-10)
      .describe("Added to the denominator of the step."),
  }).describe("One accumulator per weight (Duchi et al. 2011)."),
  z.strictObject({ kind: z.literal("adam"), ...everyOptimizer, ...moments })
    .describe("Adam (Kingma and Ba 2015)."),
  z.strictObject({ kind: z.literal("adamW"), ...everyOptimizer, ...moments })
    .describe("Adam with decoupled weight decay (Loshchilov and Hutter 2019)."),
]).describe("Optimizer of the dense weights; embeddings has the optimizers of the rows.");

const everyModel = {
  tasks: z.array(z.string().min(1)).min(1).max(8).default(["click"])
    .describe(
      "Names of the predicted tasks. The first task orders the ranking, unless ranker.scoreWeights is set.",
    ),
  taskLosses: z.record(z.string(), z.enum(["binaryCrossEntropy", "squaredError"])).default({})
    .describe(
      "Loss by task name: binaryCrossEntropy (default) predicts whether, squaredError how much (minutes watched, stars).",
    ),
  listLoss: z.strictObject({
    weight: z.number().positive().max(1000).default(1)
      .describe("Weight of the list loss beside the loss of each example."),
  }).optional().describe(
    "Adds the softmax cross-entropy of each ranking's items (ListNet, Cao et al. 2007), for tasks that predict whether. Only the order within a ranking matters to it. trainer.batchRows is at most 4,096 with it. Default: none.",
  ),
  taskWeights: z.record(z.string(), z.number().positive()).default({})
    .describe("Weight in the summed loss by task name. Default: 1."),
  optimizer: optimizer.prefault({ kind: "adam", learningRate: 0.001 }),
  learningRateSchedule: learningRateSchedule.optional()
    .describe("Dense learning rate as a function of the step. Default: constant."),
  seed: z.int().min(0).max(2 ** 32 - 1).default(1)
    .describe("Seed of the dense weights' first values and of dropout."),
};

export const modelSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("logisticRegression"), ...everyModel })
    .describe("One weight per feature id: the baseline."),
  z.strictObject({
    kind: z.literal("factorizationMachine"),
    embeddingDim,
    attention,
    ...everyModel,
  })
    .describe("Linear weights and pairwise products of embeddings (Rendle 2010)."),
  z.strictObject({
    kind: z.literal("wideAndDeep"),
    embeddingDim,
    attention,
    hidden,
    dropout,
    normalization,
    ...everyModel,
  })
    .describe("Linear weights plus a deep tower (Cheng et al. 2016)."),
  z.strictObject({
    kind: z.literal("deepFm"),
    embeddingDim,
    attention,
    hidden,
    dropout,
    normalization,
    ...everyModel,
  })
    .describe("Factorization machine plus a deep tower (Guo et al. 2017)."),
  z.strictObject({
    kind: z.literal("dcnV2"),
    embeddingDim,
    attention,
    hidden,
    crossLayers: z.int().min(1).max(8).default(2).describe("Number of cross layers."),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Cross network and deep tower in parallel (Wang et al. 2021)."),
  z.strictObject({
    kind: z.literal("finalNet"),
    embeddingDim,
    attention,
    hidden: z.array(evenUnits).min(1).max(8).default([64, 32])
      .describe("Units per factorized interaction layer, from the input side; even numbers."),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Factorized interaction layers, one branch (Zhu et al. 2023)."),
  z.strictObject({
    kind: z.literal("dlrm"),
    embeddingDim,
    attention,
    bottom: layers.default([64]).describe("Units per hidden layer of the dense values' tower."),
    top: layers.default([64, 32]).describe(
      "Units per hidden layer of the tower over the interactions.",
    ),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Tower over pairwise products of embeddings (Naumov et al. 2019)."),
  z.strictObject({
    kind: z.literal("mmoe"),
    embeddingDim,
    attention,
    experts: z.int().min(1).max(64).default(4).describe("Number of experts."),
    expertHidden: layers.min(1).default([64, 32]).describe("Units per layer of each expert."),
    towerHidden: layers.default([16]).describe("Units per hidden layer of each task's tower."),
    dropout,
    normalization,
    ...everyModel,
  }).describe("Shared experts that each task mixes by a gate (Ma et al. 2018)."),
]).describe("The dense model.");

export type ModelSection = z.output<typeof modelSection>;

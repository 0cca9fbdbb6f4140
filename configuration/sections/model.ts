/**
 * `model`: the dense part, what it predicts and how it learns.
 */
import { z } from "zod";

const hidden = z.array(z.int().min(1).max(8192)).max(8)
  .describe("Units of each hidden layer, input side first.");
const dropout = z.number().min(0).lt(1).default(0)
  .describe("Share of hidden units left out in training; never in serving.");
const embeddingDim = z.int().min(1).max(512).default(16)
  .describe("Weights of one embedding.");

const optimizer = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("sgd"), learningRate: z.number().positive() }),
  z.strictObject({
    kind: z.literal("momentum"),
    learningRate: z.number().positive(),
    momentum: z.number().min(0).lt(1).default(0.9),
  }),
  z.strictObject({
    kind: z.literal("adagrad"),
    learningRate: z.number().positive().default(0.01),
    initialAccumulator: z.number().min(0).default(0.1),
    epsilon: z.number().min(0).default(1e-10),
  }),
  z.strictObject({
    kind: z.literal("adam"),
    learningRate: z.number().positive().default(0.001),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    epsilon: z.number().positive().default(1e-8),
  }),
]).describe("How the dense weights learn.");

const common = {
  tasks: z.array(z.string().min(1)).min(1).max(8).default(["positive"])
    .describe("What is predicted; the first task orders the ranking."),
  optimizer: optimizer.prefault({ kind: "adagrad" }),
  l2: z.number().min(0).default(0).describe("L2 penalty on the dense weights."),
  seed: z.int().min(0).max(2 ** 32 - 1).default(1).describe("Seeds the dense weights."),
};

export const modelSection = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("logistic_regression"), ...common }),
  z.strictObject({
    kind: z.literal("deepfm"),
    embeddingDim,
    hidden: hidden.default([64, 32]),
    dropout,
    ...common,
  }),
]).describe("The dense model.");

export type ModelSection = z.output<typeof modelSection>;

/**
 * The messages between a trainer and a thread that runs a model replica.
 */
import type { CairnConfiguration } from "../../../configuration/configuration.ts";
import type { Divergence } from "../../../kernels/dense/divergence.ts";
import type { Provider } from "../../../kernels/dense/sessions/providers.ts";
import type { BatchShare, TrainingBatch } from "../../../kernels/dense/training_batch.ts";
import type { TrainingCheckpoint } from "../../../kernels/dense/training_session.ts";
import type { DenseWeights } from "../../../kernels/dense/weights.ts";

/** The parts of the configuration that define the dense model. */
export type DenseModelParts = Pick<CairnConfiguration, "model" | "modelSizes" | "session">;

/** The same with a concrete provider in place of `auto`. */
export type PlacedModelParts = DenseModelParts & {
  readonly session: { readonly provider: Provider };
};

/** The first message to a thread. */
export interface Open {
  readonly kind: "open";
  readonly parts: PlacedModelParts;
  /** From 0. */
  readonly replica: number;
  /** To the other replicas, in their order. */
  readonly ports: readonly MessagePort[];
}

/** A replica's part of a step. Its arrays come back with the answer. */
export interface Step {
  readonly kind: "step";
  /** Arrays whose first `rows` rows are filled. */
  readonly batch: TrainingBatch;
  readonly rows: number;
  readonly share: BatchShare;
  readonly number: number;
  /** Requested before the previous step was done: when that step fails, this step fails too. */
  readonly waits: boolean;
}

export interface Stepped {
  readonly loss: number;
  readonly batch: TrainingBatch;
}

/** The questions to a model replica, each with its answer. */
export interface Questions {
  step: { readonly question: Step; readonly answer: Stepped };
  weights: { readonly question: { readonly kind: "weights" }; readonly answer: DenseWeights };
  load: {
    readonly question: { readonly kind: "load"; readonly weights: DenseWeights };
    readonly answer: void;
  };
  scaleLearningRate: {
    readonly question: { readonly kind: "scaleLearningRate"; readonly scale: number };
    readonly answer: void;
  };
  checkpoint: {
    readonly question: { readonly kind: "checkpoint" };
    readonly answer: TrainingCheckpoint;
  };
  restore: {
    readonly question: { readonly kind: "restore"; readonly checkpoint: TrainingCheckpoint };
    readonly answer: void;
  };
  close: { readonly question: { readonly kind: "close" }; readonly answer: void };
}

export type Question = Questions[keyof Questions]["question"];
export type AnswerTo<Q extends Question> = Questions[Q["kind"]]["answer"];

export type Order = Open | {
  readonly kind: "ask";
  readonly id: number;
  readonly question: Question;
};

/** Errors travel by name and message. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly divergence?: Divergence;
}

export type Answer =
  | { readonly kind: "opened" }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  /** Without an id: the session could not be opened. */
  | { readonly kind: "failure"; readonly id?: number; readonly failure: Failure };

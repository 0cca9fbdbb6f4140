/**
 * The messages between a trainer and the threads that run its dense step, and between these.
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

/**
 * The use of a thread: alone, it runs whole steps; otherwise the leader has the state of the model,
 * and helpers run parts of its steps.
 */
export type ThreadRole =
  | { readonly kind: "alone" }
  /** With a port to each helper. */
  | { readonly kind: "leader"; readonly ports: readonly MessagePort[] }
  /** With a port to the leader. */
  | { readonly kind: "helper"; readonly port: MessagePort };

/** The first message to a thread. */
export interface Open {
  readonly kind: "open";
  readonly parts: PlacedModelParts;
  readonly role: ThreadRole;
}

/** The number of a step, and what it depends on. */
export interface StepNumber {
  /** Ascending from 1, divergent steps included. */
  readonly number: number;
  /** Requested before the previous step was done: when that step fails, this step fails too. */
  readonly waits: boolean;
  /** Scale of the learning rate when the step was requested. */
  readonly learningRateScale: number;
}

/** A step of one batch in one thread. Its arrays come back with the answer. */
export interface WholeStep extends StepNumber {
  readonly kind: "step";
  /** Arrays whose first `rows` rows are filled. */
  readonly batch: TrainingBatch;
  readonly rows: number;
}

/** A step whose parts follow, some to the leader and some to helpers. */
export interface SharedStep extends StepNumber {
  readonly kind: "sharedStep";
  /** Number of parts, ≥ 1. */
  readonly parts: number;
  /** Rows of the batch. */
  readonly rows: number;
  /** Mean weight of the batch's examples. */
  readonly meanCount: number;
}

/** A part of a shared step. Its arrays come back with the answer. */
export interface Part {
  readonly kind: "part";
  /** Number of the step. */
  readonly number: number;
  /** Index among the parts of the step. */
  readonly index: number;
  /** Arrays whose first `rows` rows are filled. */
  readonly batch: TrainingBatch;
  readonly rows: number;
  readonly share: BatchShare;
}

export interface Stepped {
  readonly loss: number;
  readonly batch: TrainingBatch;
}

/** The questions to a thread, each with its answer. */
export interface Questions {
  step: { readonly question: WholeStep; readonly answer: Stepped };
  sharedStep: { readonly question: SharedStep; readonly answer: number };
  part: { readonly question: Part; readonly answer: TrainingBatch };
  weights: { readonly question: { readonly kind: "weights" }; readonly answer: DenseWeights };
  load: {
    readonly question: { readonly kind: "load"; readonly weights: DenseWeights };
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

type Floats = Float32Array<ArrayBuffer>;

/** From the leader to a helper. */
export type LeaderMessage =
  /** A shared step begins. */
  | {
    readonly kind: "begun";
    readonly number: number;
    /** Steps of the model with this one; differs from `number` after a restore. */
    readonly step: number;
    readonly weights: Floats;
    /** Arrays for further gradients. */
    readonly spare: readonly Floats[];
  }
  /** The parts of a step shall not run. */
  | { readonly kind: "dropped"; readonly number: number };

/** From a helper to the leader: a part has run. */
export interface HelperMessage {
  readonly index: number;
  readonly loss: number;
  readonly gradient: Floats;
}

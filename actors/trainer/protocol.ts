/**
 * The trainer's door, and the record of the example log that it reads: labelled examples, in columns.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { Request } from "../../mesh/runtime/actor.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";

/** A chunk of labelled examples. Arrays are little-endian bytes of the shapes in {@link FeatureBatch}. */
export interface ExampleChunk {
  readonly rows: number;
  readonly ids: Uint8Array;
  readonly segmentOffsets: Uint8Array;
  readonly dense: Uint8Array;
  /** float32 [rows, tasks]; 0 or 1 for classification. */
  readonly labels: Uint8Array;
  /** float32 [rows]: ln(sample rate) of the example, 0 where it was not sampled: the loss sees logit - this. */
  readonly logSampleRate: Uint8Array;
  /** float32 [rows]: logits' scores when served, for progressive comparison; NaN where unknown. */
  readonly servedScores: Uint8Array;
  /** Data clock of the newest example, ms. */
  readonly atMs: number;
  /** Newest `acceptedAtMs` of the actions that decided these examples. */
  readonly acceptedAtMs: number;
}

export function encodeExamples(chunk: ExampleChunk): Uint8Array {
  return encode(chunk);
}

export function decodeExamples(bytes: Uint8Array): ExampleChunk {
  return decode(bytes) as ExampleChunk;
}

/** New chunks may be readable in the example log. */
export interface ExamplesAppended {
  readonly kind: "examplesAppended";
}

/** The linger is over: train on what has come, even if it is less than a batch. */
export interface FlushBatch {
  readonly kind: "flushBatch";
}

/** Cumulative scores by label since start: AUC and logloss of any interval come from the difference of two. */
export interface ProgressiveValidation {
  /** Predictions per score bin, for label 0 and label 1. Scores are probabilities in equal bins of [0, 1]. */
  readonly negatives: Float64Array;
  readonly positives: Float64Array;
  readonly examples: number;
  readonly loglossSum: number;
}

export interface TrainerStatus {
  readonly steps: number;
  readonly examples: number;
  /** Mean loss of the last step. */
  readonly loss: number;
  readonly learnedThroughMs: number;
  /** Next example log offset. */
  readonly offset: number;
  /** Training stopped because the loss was not finite or exploded; says on which batch. */
  readonly diverged?: string;
}

export interface GetTrainerStatus extends Request<TrainerStatus> {
  readonly kind: "getStatus";
}

export interface GetProgressiveValidation extends Request<ProgressiveValidation> {
  readonly kind: "getProgressiveValidation";
}

/** The current dense weights, and how far they and the shards have learned. */
export interface GetDenseWeights
  extends Request<{ readonly weights: DenseWeights; readonly learnedThroughMs: number }> {
  readonly kind: "getDenseWeights";
}

export type TrainerMessage =
  | ExamplesAppended
  | FlushBatch
  | GetTrainerStatus
  | GetProgressiveValidation
  | GetDenseWeights;

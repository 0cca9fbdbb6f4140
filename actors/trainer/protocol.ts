/**
 * The messages that a trainer understands.
 */
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { SourceOpening } from "../embedding_shard/protocol.ts";
import type { SnapshotBase } from "../snapshotter/protocol.ts";
import type { Address, Request } from "../../mesh/runtime/actor.ts";
import type { SetLeased } from "../../mesh/runtime/set_leased.ts";
import type { TrainerPart } from "../../records/snapshot_parts.ts";

/** New chunks may be readable in the example log. The trainer sends it to itself. */
export interface ExamplesAppended {
  readonly kind: "examplesAppended";
}

/**
 * Cumulative scores by label: the difference of two readings gives AUC and loss of the interval.
 */
export interface ScoreHistograms {
  /**
   * Predictions per score bin, for label 0 and label 1. Scores are probabilities in equal bins of
   * [0, 1]. Empty where a task predicts a value.
   */
  readonly negatives: Float64Array;
  readonly positives: Float64Array;
  readonly examples: number;
  /** Sum of the examples' weights: above `examples` where sampled negatives count for several. */
  readonly weights: number;
  /** Sum of the loglosses, or of the squared errors where a value is predicted. */
  readonly lossSum: number;
  /** Weighted sums of predictions and of labels; their ratio is the calibration. */
  readonly predictionSum: number;
  readonly labelSum: number;
}

/** Scores since start, each made before its example was learned from. */
export interface ProgressiveValidation {
  /** The trainer's own predictions; by task, in the model's order. */
  readonly trained: Readonly<Record<string, ScoreHistograms>>;
  /** The first task's scores as they were served; empty where that task predicts a value. */
  readonly served: ScoreHistograms;
}

/** How far the trainer has come. */
export interface TrainerStatus {
  readonly steps: number;
  readonly examples: number;
  /** Mean loss of the last step. */
  readonly loss: number;
  readonly learnedThroughMs: number;
  /** Rows that steps refused and that were put aside, since the start. */
  readonly rowsRefused: number;
  /** Times that the shards went back since the example log had lost what they had learned. */
  readonly logLosses: number;
  /** Offset in each of its partitions of the example log before which all is learned. */
  readonly offsets: readonly { readonly partition: number; readonly offset: number }[];
  /** Chunks of its partitions that are not learned; undefined while the log's end is unknown. */
  readonly chunksUnread: number | undefined;
  /** Why training has stopped: most examples were refused, also after going back to a snapshot. */
  readonly diverged?: string;
}

/** Asks for {@link TrainerStatus}. */
export interface GetTrainerStatus extends Request<TrainerStatus> {
  readonly kind: "getStatus";
}

/** The shards and partitions that an acceptance mark is of: another one after each start. */
export interface MarkScope {
  /** No other scope has the same id. */
  readonly id: string;
  /** Incarnations of the shards that have learned what the mark says, by shard; empty before. */
  readonly incarnations: readonly string[];
  /** Number of the dealing by which the trainer has its partitions. */
  readonly dealing: number;
}

/** The acceptance mark of a trainer. */
export interface AcceptanceMark {
  readonly learnedThroughMs: number;
  /** Grows with all that is learned or passed over. */
  readonly progress: number;
  /** Left out where the asker knows it: it is as large as many marks. */
  readonly scope?: MarkScope;
}

/** Whether a trainer has learned nothing, and has the same shards, in two marks. */
export function isSameMark(
  now: Required<AcceptanceMark>,
  before: Required<AcceptanceMark> | undefined,
): boolean {
  return now.scope.id === before?.scope.id && now.progress === before.progress &&
    now.learnedThroughMs === before.learnedThroughMs;
}

/**
 * Asks for the {@link AcceptanceMark}. The trainer tells parameter sync when it has another one
 * than the asker knows.
 */
export interface GetAcceptanceMark extends Request<AcceptanceMark> {
  readonly kind: "getAcceptanceMark";
  /** The mark that the trainer has told last; undefined before the first. */
  readonly known?: Pick<AcceptanceMark, "learnedThroughMs" | "progress"> & {
    /** Id of its scope. */
    readonly scope: string;
  };
}

/** Asks for {@link ProgressiveValidation}. */
export interface GetProgressiveValidation extends Request<ProgressiveValidation> {
  readonly kind: "getProgressiveValidation";
}

/** Dense weights, and how far they have learned. */
export interface LearnedWeights {
  readonly weights: DenseWeights;
  /** They have learned from every decided event accepted up to this wall time, ms. */
  readonly learnedThroughMs: number;
}

/** Asks for the current {@link LearnedWeights}; the shards have learned as far. */
export interface GetDenseWeights extends Request<LearnedWeights> {
  readonly kind: "getDenseWeights";
}

/** Dense weights to be averaged with other trainers'. */
export interface WeightOffer {
  readonly weights: DenseWeights;
  /** Examples trained on since the last adopted mean. */
  readonly examples: number;
}

/** Asks for a {@link WeightOffer}. The trainer keeps it open until {@link AdoptMean}. */
export interface OfferWeights extends Request<WeightOffer> {
  readonly kind: "offerWeights";
}

/**
 * Returns the mean. The trainer adds the steps that it made since its offer; the optimizer's state
 * stays its own. Answers `adopted: false` where no such offer is open: the trainer was restarted.
 * Refused with a `WeightsMismatchError` where the mean is of another model.
 */
export interface AdoptMean extends Request<{ readonly adopted: boolean }> {
  readonly kind: "adoptMean";
  readonly mean: DenseWeights;
  /** Version of the offered weights. */
  readonly offered: number;
}

/** A partition whose trainer holds still for a cut. */
export interface StandingPartition {
  /** The source of its gradients. */
  readonly source: string;
  /** Rows of the partition that are learned. */
  readonly sequence: number;
  /** The openings under which the shards have learned them, by shard. */
  readonly openings: readonly SourceOpening[];
}

/**
 * Makes a consistent cut for a snapshot: between two batches, with all shards told to note the same
 * moment. Each trainer holds still while it asks the next one, and the last one tells the shards.
 * Answers with the parts of all partitions, written; with none where nothing was learned since
 * `unlessAt`.
 */
export interface Cut extends Request<{ readonly parts: readonly TrainerPart[] }> {
  readonly kind: "cut";
  readonly snapshot: string;
  /** Number of the dealing whose trainers are asked; a trainer of another one refuses. */
  readonly dealing: number;
  /** Partitions whose trainers hold still already. */
  readonly standing: readonly StandingPartition[];
  /** Trainers that come after this one. */
  readonly others: readonly Address[];
  /** The newest stored snapshot, to which the shards may write increments. */
  readonly base?: SnapshotBase;
  /** The sequences of the last snapshot, by source. */
  readonly unlessAt?: Readonly<Record<string, number>>;
}

/** Makes the cuts that have waited long enough; the trainer's own timer. */
export interface CutWaits {
  readonly kind: "cutWaits";
}

/** A write to the blob store has ended, or is due again; the trainer's own message. */
export interface StoreRetryDue {
  readonly kind: "storeRetryDue";
}

/** Has the joiners of partitions that hold the trainer up write chunks; the trainer's own timer. */
export interface ReachDue {
  readonly kind: "reachDue";
}

/** Checks whether a shard was restarted while nothing was learned; the trainer's own timer. */
export interface CheckShards {
  readonly kind: "checkShards";
}

/** All shards have opened the trainer's stream, or one cannot; the trainer's own message. */
export interface ShardsOpened {
  readonly kind: "shardsOpened";
}

/** The trainer's protocol. */
export type TrainerMessage =
  | SetLeased
  | ShardsOpened
  | ExamplesAppended
  | CheckShards
  | ReachDue
  | Cut
  | CutWaits
  | StoreRetryDue
  | GetTrainerStatus
  | GetAcceptanceMark
  | GetProgressiveValidation
  | GetDenseWeights
  | OfferWeights
  | AdoptMean;

/**
 * Options of a loop: its storage, the options of its actors that a test sets, and hooks.
 */
import type { defineEmbeddingShard } from "../../actors/embedding_shard/definition.ts";
import type { FeatureKeeperOptions } from "../../actors/feature_keeper/definition.ts";
import type { JoinerOptions } from "../../actors/joiner/definition.ts";
import type { RankerOptions } from "../../actors/ranker/definition.ts";
import type { RetrieverOptions } from "../../actors/retriever/definition.ts";
import type { ScorerOptions } from "../../actors/scorer/definition.ts";
import type { defineTrainer, TrainerOptions } from "../../actors/trainer/definition.ts";
import type { InferenceSession } from "../../kernels/dense/inference_session.ts";
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import type { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import type { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import type { SharedRankings } from "../../mesh/ports/shared_rankings.ts";

/** Hooks by which a test wraps actors and sessions. */
export interface Interference {
  shard?(
    definition: ReturnType<typeof defineEmbeddingShard>,
  ): ReturnType<typeof defineEmbeddingShard>;
  trainingSession?(session: TrainingSession): TrainingSession;
  trainer?(definition: ReturnType<typeof defineTrainer>): ReturnType<typeof defineTrainer>;
  inferenceSession?(session: InferenceSession): InferenceSession | Promise<InferenceSession>;
}

/** The logs and blobs that outlive a process. */
export interface LoopStorage {
  readonly eventLog: MemoryEventLog;
  readonly exampleLog: MemoryEventLog;
  readonly blobs: MemoryBlobStore;
}

export interface LoopOptions {
  readonly seed?: number;
  /** Wall time at the beginning, ms since the Unix epoch. */
  readonly startMs?: number;
  /** Default: empty. */
  readonly storage?: LoopStorage;
  readonly interference?: Interference;
  readonly shards?: number;
  /** Size of a snapshot up to which shards wait for their rows, bytes; default: any. */
  readonly awaitedBytesMax?: number;
  readonly trainers?: number;
  /** Partitions of the example log; default: one for each trainer. */
  readonly partitions?: number;
  readonly exampleBytesMax?: number;
  readonly eventBytesMax?: number;
  /** Default: all rows stay. */
  readonly expirySeconds?: number;
  readonly joiner?: Partial<JoinerOptions>;
  readonly trainer?: Partial<TrainerOptions>;
  readonly scorer?: Partial<ScorerOptions>;
  readonly ranker?: Partial<RankerOptions>;
  readonly sharedRankings?: SharedRankings;
  /** Default: no features are kept. */
  readonly kept?: Partial<Omit<FeatureKeeperOptions, "shard">>;
  /** Default: no retriever and no catalogue. */
  readonly recommend?: Partial<RetrieverOptions>;
}

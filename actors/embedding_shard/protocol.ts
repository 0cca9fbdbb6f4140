/**
 * An embedding shard's door: it owns one part of the feature ids and their rows.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { ClassPage, ExportCursor } from "../../kernels/embedding/class_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { ShardPart } from "../../records/snapshot_parts.ts";

/** Rows of `ids`, weights only: for n ids of a class `[n, width]`, one class after another. */
export interface Lookup extends Request<{ readonly rows: Float32Array<ArrayBuffer> }> {
  readonly kind: "lookup";
  /** Distinct or not, class after class; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** What an absent id gives: zeros, or the value that its row would begin with. */
  readonly missing: "zeros" | "initial";
}

/**
 * One trainer's gradients for one step. (source, sequence) makes it idempotent: a sequence at or below the
 * source's high-water mark is acknowledged and changes nothing. Sequences grow and may have gaps (a trainer
 * numbers by rows of its log, and leaves out shards that a batch does not touch).
 */
export interface ApplyGradients extends Request<{ readonly applied: boolean }> {
  readonly kind: "applyGradients";
  readonly source: string;
  readonly sequence: number;
  /** Distinct, class after class; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** Summed over duplicates; in the shape of looked-up rows. The shard keeps their memory: transfer it, or send a copy. */
  readonly gradients: Float32Array<ArrayBuffer>;
  /** Occurrences of each id in the batch, for admission; shape `[n]`. */
  readonly counts: Uint32Array<ArrayBuffer>;
  /** Data clock, ms. */
  readonly atMs: number;
  /**
   * The shard's life that the sender knows, from {@link GetHighWaterMark}. One that was restarted has lost what came after
   * its snapshot and refuses with a {@link ShardRestartedError}: the sender goes back to its mark.
   */
  readonly incarnation: string;
}

/** A shard is not the one that the sender knows: rows applied since its snapshot are missing in it. */
export class ShardRestartedError extends Error {
  override readonly name = "ShardRestartedError";
  constructor(shard: number) {
    super(
      `embedding_shard/${shard} was restarted since its mark was read: learn again from its mark.`,
    );
  }
}

/** The newest sequence of `source` that this shard has applied (0 before the first), and which life of it says so. */
export interface GetHighWaterMark
  extends Request<{ readonly sequence: number; readonly incarnation: string }> {
  readonly kind: "getHighWaterMark";
  readonly source: string;
}

/**
 * Where a stream of deltas stands. In one lineage they are numbered without gaps. Another one begins when the shard has
 * restarted, and when nobody took deltas for so long that ids which went were forgotten: rows of an earlier lineage are
 * replaced, for no delta says which of them the shard has no more.
 */
export interface DeltaPosition {
  readonly lineage: string;
  /** Of the newest delta; 0 before the first. */
  readonly sequence: number;
}

/** Rows that changed and ids that went; its sequence is one more than that of the delta before. */
export interface Delta extends DeltaPosition {
  readonly shard: number;
  /** By class of rows; undefined where nothing changed. */
  readonly classes: readonly (ClassChanges | undefined)[];
}

/** What changed in one class. */
export interface ClassChanges {
  readonly ids: FeatureIds;
  /** Weights; shape `[ids, width]`. */
  readonly rows: Float32Array<ArrayBuffer>;
  /** Evicted ids. */
  readonly tombstones: FeatureIds;
  /** CRC32C over ids, rows and tombstones as little-endian bytes. */
  readonly checksum: number;
}

/**
 * Takes the next delta, if there is one. A touched key is forgotten only when a later call acknowledges the delta that
 * carried it; asked again without acknowledgement, the shard gives the same delta again.
 */
export interface TakeDelta extends
  Request<{
    readonly delta?: Delta;
    /** That of the newest delta that was taken; what is asked next follows it. */
    readonly position: DeltaPosition;
    /** The shard's life, as in {@link ApplyGradients.incarnation}. */
    readonly incarnation: string;
  }> {
  readonly kind: "takeDelta";
  /** That of the newest delta that the taker has dealt with; undefined where it does not know. */
  readonly acknowledged: DeltaPosition | undefined;
  /** Of each class. */
  readonly rowsMax: number;
}

/** All rows, for a replica that begins or has lost count: pages until `done`. */
export interface ExportRows extends
  Request<
    ClassPage & {
      /** The deltas that this page already contains. */
      readonly position: DeltaPosition;
    }
  > {
  readonly kind: "exportRows";
  /** Of the page before; absent for the first. */
  readonly cursor?: ExportCursor;
  readonly rowsMax: number;
}

/** Evicts expired rows, a bounded number of buckets a call; told by the shard to itself. */
export interface EvictExpired {
  readonly kind: "evictExpired";
}

/** What a shard holds and what it has done since it started. */
export interface ShardStatistics {
  readonly shard: number;
  readonly rows: number;
  readonly load: number;
  readonly bytes: number;
  readonly lookups: number;
  readonly missing: number;
  readonly admitted: number;
  readonly filtered: number;
  readonly evicted: number;
  readonly rejected: number;
  readonly touched: number;
  /** By class of rows; `rowBytes` are those of one row with its id, state included. */
  readonly classes: readonly {
    readonly rows: number;
    readonly bytes: number;
    readonly rowBytes: number;
  }[];
}

/** Asks for {@link ShardStatistics}. */
export interface GetShardStatistics extends Request<ShardStatistics> {
  readonly kind: "getStatistics";
}

/**
 * Notes this moment as the cut of a snapshot: every row of each source up to its `sequence` is applied. One that was
 * under way is dropped.
 */
export interface BeginSnapshot extends Request<void> {
  readonly kind: "beginSnapshot";
  readonly snapshot: string;
  /** Of all trainers; the incarnation as in {@link ApplyGradients.incarnation}. */
  readonly marks: readonly {
    readonly source: string;
    readonly sequence: number;
    readonly incarnation: string;
  }[];
}

/** Writes the rows as they were at the cut, while learning goes on; answers when all are in the blob store. */
export interface WriteSnapshot extends Request<ShardPart> {
  readonly kind: "writeSnapshot";
  readonly snapshot: string;
  /**
   * Time over which writing is spread, so that it takes little of the disk and the cores at once, ms; 0 = as fast as the
   * store takes it. A shard whose rows change faster than that hurries by itself.
   */
  readonly spreadMs: number;
}

/** Nobody wants this snapshot any more: if it is under way, it ends with an error. */
export interface AbandonSnapshot {
  readonly kind: "abandonSnapshot";
  readonly snapshot: string;
}

/** Writes the next rows of the snapshot; told by the shard to itself. */
export interface WriteSnapshotChunk {
  readonly kind: "writeSnapshotChunk";
  readonly snapshot: string;
}

/** All that a shard understands. */
export type EmbeddingShardMessage =
  | Lookup
  | ApplyGradients
  | GetHighWaterMark
  | BeginSnapshot
  | WriteSnapshot
  | AbandonSnapshot
  | WriteSnapshotChunk
  | TakeDelta
  | ExportRows
  | EvictExpired
  | GetShardStatistics;

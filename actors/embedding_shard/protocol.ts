/**
 * The messages of an embedding shard, which owns the rows of one part of the feature ids.
 */
import type { Request } from "../../mesh/runtime/actor.ts";
import type { ClassPage, ExportCursor } from "../../kernels/embedding/class_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { SnapshotKind } from "../../kernels/embedding/table_snapshot.ts";
import type { ShardMember } from "../../records/snapshot_parts.ts";
import type { SnapshotBase } from "../snapshotter/protocol.ts";
import type { GivingMessage } from "./copy_protocol.ts";
import type { Delta, DeltaPosition, TakenDeltas } from "./delta_stream.ts";

export type { Delta, DeltaPosition };

/**
 * Asks for the weights of `ids`: for n ids of a class `[n, width]`, one class after another.
 */
export interface Lookup extends Request<{ readonly rows: Float32Array<ArrayBuffer> }> {
  readonly kind: "lookup";
  /** Class after class, with or without duplicates; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** The answer for an absent id: zeros, or the initial values of its row. */
  readonly missing: "zeros" | "initial";
}

/** A chunk of the example log of which a shard has learned rows, or removed those of users. */
export interface LearnedChunk {
  readonly offset: number;
  /** CRC-32C of its record: after a loss other chunks may take its offset. */
  readonly checksum: number;
}

/**
 * The gradients of one batch. (source, sequence) makes it idempotent: a sequence at or below the
 * source's high-water mark is acknowledged and changes nothing. The source is the batch's partition
 * of the example log. Sequences ascend and may have gaps: they count rows of the partition, and a
 * shard gets no message for a batch that does not touch it.
 */
export interface ApplyGradients extends Request<{ readonly applied: boolean }> {
  readonly kind: "applyGradients";
  readonly source: string;
  readonly sequence: number;
  /** The chunk of its rows. */
  readonly chunk?: LearnedChunk | undefined;
  /** Distinct ids, class after class; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /**
   * Summed over duplicates, in the shape of looked-up rows. The shard keeps the memory: transfer
   * it, or send a copy.
   */
  readonly gradients: Float32Array<ArrayBuffer>;
  /** Occurrences of each id in the batch, for admission; shape `[n]`. */
  readonly counts: Uint32Array<ArrayBuffer>;
  /** Data clock, ms. */
  readonly atMs: number;
  /** The opening of the source that the gradients belong to. */
  readonly opening: SourceOpening;
}

/**
 * Removes rows, and the occurrences of ids without a row: (source, sequence) has the meaning of
 * {@link ApplyGradients}, so a removal that is repeated by a replay has no effect on rows that were
 * learned after it. A removal of many ids comes in parts of one sequence.
 */
export interface RemoveRows extends Request<RemovedRows> {
  readonly kind: "removeRows";
  readonly source: string;
  readonly sequence: number;
  /** The chunk of the erasures. */
  readonly chunk?: LearnedChunk | undefined;
  /** Distinct ids, class after class; shape `[n]`. */
  readonly ids: FeatureIds;
  /** Where each class begins among the ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
  /** The last part, which moves the mark. */
  readonly isLast: boolean;
  /** The opening of the source that the removal belongs to. */
  readonly opening: SourceOpening;
}

/** The answer to {@link RemoveRows}. */
export interface RemovedRows {
  /** False where the shard had applied the sequence before. */
  readonly applied: boolean;
  /** Rows that were removed, by slot number. */
  readonly rows: Readonly<Record<number, number>>;
}

/** Asks for the ids of the rows of some slots, page by page until there is no `next`. */
export interface ListIds extends
  Request<{
    readonly ids: FeatureIds;
    readonly next?: ExportCursor;
  }> {
  readonly kind: "listIds";
  readonly slots: readonly number[];
  /** From the page before; absent for the first. */
  readonly cursor?: ExportCursor;
  /** Rows that are visited for the page. */
  readonly rowsMax: number;
}

/** One opening of a source's stream at a shard, see {@link OpenSource}. */
export interface SourceOpening {
  /** Incarnation of the shard. */
  readonly incarnation: string;
  /** Number of the opening within this incarnation; ascending, also over the source's tenures. */
  readonly epoch: number;
}

/** How far a shard has learned a source. */
export interface SourceMark {
  /** The newest sequence that is applied. */
  readonly sequence: number;
  /** The chunk of the newest gradients or erasure; undefined without one since the snapshot. */
  readonly chunk?: LearnedChunk | undefined;
}

/** The shard was restarted: it has lost the updates since its snapshot. */
export class ShardRestartedError extends Error {
  override readonly name = "ShardRestartedError";
  constructor(shard: number) {
    super(
      `embedding_shard/${shard} was restarted since its mark was read: learn again from its mark.`,
    );
  }
}

/**
 * Opens the stream of a source's gradients. Waits behind the gradients sent before it, and ends all
 * earlier openings of the source: their gradients and cuts are refused from now on, also those that
 * are still on their way. Answers with the newest sequence of the source that is applied, 0 before
 * the first, and the chunk of the newest gradients since the shard's snapshot.
 */
export interface OpenSource extends Request<SourceOpening & SourceMark> {
  readonly kind: "openSource";
  readonly source: string;
  /** Epoch of the trainer's right to its partition. Absent where one process runs all parts. */
  readonly tenure?: number;
}

/**
 * Gives up all updates since the newest snapshot: the shard crashes, and its supervisor restarts it
 * from there. The request fails with the crash; it is ignored where the shard was restarted since.
 */
export interface GoBack extends Request<void> {
  readonly kind: "goBack";
  readonly opening: SourceOpening;
}

/** Asks for the shard's incarnation, to notice its restart. */
export interface GetIncarnation extends Request<{ readonly incarnation: string }> {
  readonly kind: "getIncarnation";
}

/**
 * Takes the deltas after a position. Any number of takers may ask, each from its own position, and
 * as often as it likes. A taker that has all news is answered when there is more, or after a while.
 */
export interface TakeDeltas extends
  Request<
    TakenDeltas & {
      readonly incarnation: string;
      /** The shard still loads its rows; absent where it has all of them. */
      readonly isLoading?: boolean;
      /**
       * With these deltas the taker has all rows as they were at a moment after the answer before.
       */
      readonly complete?: boolean;
    }
  > {
  readonly kind: "takeDeltas";
  /** Name of the taker. Its earlier question is answered without news where it still waits. */
  readonly taker: string;
  /** Position of the newest delta that the taker has applied; undefined where it has no rows. */
  readonly position: DeltaPosition | undefined;
  /** The mark that the taker knows; absent where it knows none of this incarnation. */
  readonly learnedThroughMs?: number | undefined;
  /** Rows of each class in a delta at most, and in all deltas of the answer after the first. */
  readonly rowsMax: number;
}

/**
 * Told by parameter sync: the trainers have learned all events accepted up to this time, and have
 * applied that to the incarnation of the shard that they name. It is time for the next deltas.
 */
export interface Learned {
  readonly kind: "learned";
  /** ms since the Unix epoch. */
  readonly throughMs: number;
  /** Undefined where the trainers do not agree on one; then the time claims nothing. */
  readonly incarnation: string | undefined;
}

/** A question of a taker has waited for long; the shard's own timer. */
export interface TakerWaited {
  readonly kind: "takerWaited";
  readonly taker: string;
}

/** Position of the next page; it means nothing to the tables of another owner. */
export interface ShardCursor extends ExportCursor {
  /** How often the shard had moved. */
  readonly moves: number;
}

/**
 * Asks for all rows, page by page until `done`, for a replica that starts or has missed a delta.
 */
export interface ExportRows extends
  Request<
    ClassPage & {
      /** Position of the newest delta whose changes are in this page. */
      readonly position: DeltaPosition;
      readonly cursor: ShardCursor;
    }
  > {
  readonly kind: "exportRows";
  /** From the page before; absent for the first. Refused where the shard has moved since. */
  readonly cursor?: ShardCursor;
  readonly rowsMax: number;
}

/** The rows of the snapshot are loaded, or cannot be; the shard's own message. */
export interface RowsLoaded {
  readonly kind: "rowsLoaded";
}

/** Evicts expired rows of a bounded number of buckets; the shard's own timer. */
export interface EvictExpired {
  readonly kind: "evictExpired";
}

/** The contents of a shard, and its work since its start. */
export interface ShardStatistics {
  readonly shard: number;
  /** Share of the snapshot's bytes that are loaded, 0 to 1. */
  readonly loadedShare: number;
  /** Whether loaded rows wait to be given to a serving host as deltas. */
  readonly owesLoadedRows: boolean;
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
  /** By class of rows; `rowBytes` is the size of one row with its id and optimizer state. */
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
 * Notes this moment as the cut of a snapshot: all rows of each source up to its `sequence` are
 * applied, and none after it. Drops an unfinished snapshot. Refused with a `CutPassedError`
 * where the shard is past a mark.
 */
export interface BeginSnapshot extends Request<void> {
  readonly kind: "beginSnapshot";
  readonly snapshot: string;
  /** The newest stored snapshot; undefined where every shard has to write all rows. */
  readonly base?: SnapshotBase;
  /** Marks of all trainers. Refused where the shard has applied gradients beyond one of them. */
  readonly marks: readonly {
    readonly source: string;
    readonly sequence: number;
    readonly opening: SourceOpening;
  }[];
}

/** The newest member of a shard's chain; the snapshotter adds the cut. */
export interface WrittenMember extends Omit<ShardMember, "cut"> {
  readonly shard: number;
  /** An increment holds the changes since {@link SnapshotBase.snapshot}. */
  readonly kind: SnapshotKind;
}

/**
 * Writes the rows of the cut while learning continues: all of them, or an increment where the shard
 * knows all changes since the base. Answers when all are in the blob store.
 */
export interface WriteSnapshot extends Request<WrittenMember> {
  readonly kind: "writeSnapshot";
  readonly snapshot: string;
  /**
   * Time over which the writing is spread, to take little of disk and cores at once, ms; 0 = as
   * fast as the store accepts it. A shard whose rows change faster writes faster.
   */
  readonly spreadMs: number;
}

/** Ends an unfinished snapshot of this name with an error. */
export interface AbandonSnapshot {
  readonly kind: "abandonSnapshot";
  readonly snapshot: string;
}

/** Writes the next rows of the snapshot; the shard's own timer. */
export interface WriteSnapshotChunk {
  readonly kind: "writeSnapshotChunk";
  readonly snapshot: string;
}

/** The shard's protocol. */
export type EmbeddingShardMessage =
  | Lookup
  | ApplyGradients
  | RemoveRows
  | ListIds
  | OpenSource
  | GetIncarnation
  | RowsLoaded
  | GoBack
  | BeginSnapshot
  | WriteSnapshot
  | AbandonSnapshot
  | WriteSnapshotChunk
  | TakeDeltas
  | Learned
  | TakerWaited
  | ExportRows
  | EvictExpired
  | GetShardStatistics
  | GivingMessage;

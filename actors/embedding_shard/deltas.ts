/**
 * The changes of a shard's rows, as its replicas and its next owner get them.
 */
import type { FeatureIds } from "../../kernels/embedding/options.ts";

/**
 * A position in a stream of deltas. The deltas of a lineage are numbered without gaps. A new
 * lineage begins when the shard restarts, and when deltas were not taken for so long that evicted
 * ids were forgotten. Rows of an earlier lineage must be replaced: no delta tells which of them are
 * gone.
 */
export interface DeltaPosition {
  readonly lineage: string;
  /** Number of the newest delta; 0 before the first. */
  readonly sequence: number;
}

/** Changed rows and evicted ids. Its sequence follows the sequence of the delta before. */
export interface Delta extends DeltaPosition {
  readonly shard: number;
  /** Traces of gradients since the delta before whose spans are recorded. */
  readonly traces?: readonly string[];
  /** By class of rows; undefined for a class without changes. */
  readonly classes: readonly (ClassChanges | undefined)[];
}

/** The changes in one class. */
export interface ClassChanges {
  readonly ids: FeatureIds;
  /** Weights; shape `[ids, width]`. */
  readonly rows: Float32Array<ArrayBuffer>;
  /** Evicted ids. */
  readonly tombstones: FeatureIds;
  /** CRC32C over ids, rows and tombstones as little-endian bytes. */
  readonly checksum: number;
}

/** A lineage that another owner began. */
export interface HandedDeltas {
  readonly lineage: string;
  /** Sequence of the newest acknowledged delta. */
  readonly acknowledged: number;
  /** Sequence of the newest delta that was given. */
  readonly given: number;
  /** The deltas after the acknowledged one, without gaps. */
  readonly waiting: readonly Delta[];
}

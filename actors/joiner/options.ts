/**
 * The joiner's configuration, as plain data.
 */

import type { RowColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";

/** A rule that turns an action into a label. The first matching rule of a task decides. */
export interface LabelRule {
  /** Name of the action: `click`, `rating`, … */
  readonly action: string;
  /** Matches only an action with a value ≥ this. */
  readonly atLeast?: number;
  /** Matches only an action with a value < this. */
  readonly below?: number;
  /** 1, 0, or the action's own value; a `value` rule matches only an action that has one. */
  readonly label: "positive" | "negative" | "value";
  /** Emits the item's example at once, not when the window closes: later actions change nothing. */
  readonly final?: boolean;
}

/** How one task of the model gets its label: 0 if no rule has matched when the window closes. */
export interface TaskLabels {
  readonly task: string;
  readonly rules: readonly LabelRule[];
  /**
   * How long after an impression a positive label is still learned from, where the example was
   * decided before; on the data clock, ms. Default: not at all.
   */
  readonly lateMs?: number;
}

/** The columns of rankings, the window, the label rules, and the bounds of both. */
export interface JoinerOptions extends RowColumns {
  /** The partition of the event log that this joiner reads. */
  readonly partition: number;
  /**
   * Epoch of its right to the partition, which each append to the example log carries. Absent where
   * one process runs all parts: no other joiner can write there.
   */
  readonly tenure?: number;
  /**
   * The partitionings of the logs, oldest first. Absent = the logs have one, of all their
   * partitions.
   */
  readonly partitionings?: readonly PartitionCounts[];
  /** How long an impression waits for actions, on the data clock, ms. */
  readonly windowMs: number;
  /** How far an event's time may move the data clock beyond the wall time of its acceptance, ms. */
  readonly clockSkewMsMax: number;
  /** How far the clocks of hosts that append events may be ahead of the joiner's, ms. */
  readonly clocksApartMsMax: number;
  /** Bound of the held impressions; one more closes the oldest early. */
  readonly impressionsMax: number;
  /** Bound of the memory of held impressions, bytes; one more closes the oldest early. */
  readonly impressionsBytesMax: number;
  /** Bound of the distinct actions per impression; more are counted as excess and dropped. */
  readonly actionsPerImpressionMax: number;
  readonly tasks: readonly TaskLabels[];
  readonly negativeSampling: {
    /** Share of negatives that become examples, in (0, 1]. */
    readonly rate: number;
    readonly seed: number;
    /**
     * The sample rate that examples carry. `logOdds`: every example carries `rate`. `weight`: a
     * negative carries `rate`, all others 1.
     */
    readonly correction: "logOdds" | "weight";
  };
  /** Newest event records that are never trimmed, for readers other than the joiner. */
  readonly recordsRetained: number;
  /** Bound of the event records taken in per turn. */
  readonly recordsPerTurn: number;
  /** Rows of an example chunk, which is one batch of a trainer. */
  readonly batchRows: number;
  /** Longest wait of an example for its chunk to fill, ms. */
  readonly lingerMs: number;
}

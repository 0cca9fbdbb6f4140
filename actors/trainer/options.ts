import type { Address } from "../../mesh/runtime/actor.ts";
import type { Combiner } from "../../kernels/embedding/options.ts";
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { UserSlots } from "../../kernels/features/user_slots.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";
import type { OwnBlobs } from "../../records/own_blobs.ts";

/**
 * Plain data: the logs that the trainer reads, its batches, and the shapes of features and model.
 */
export interface TrainerOptions extends ExampleColumns {
  /** Its index among the trainers. */
  readonly trainer: number;
  /** Its name in the log and in snapshots, e.g. `"trainer/0"`. */
  readonly name: string;
  /**
   * Epoch of its right to the partitions: shards take no gradients of an older one. Absent where
   * one process runs all parts.
   */
  readonly tenure?: number;
  /** The blob store from which it begins, where a coordination store places it. Absent = any. */
  readonly ownBlobs?: OwnBlobs;
  /** Number of the dealing by which it has its partitions. */
  readonly dealing: number;
  /** The partitions of the example log that it reads, ascending; at least one. */
  readonly partitions: readonly number[];
  /**
   * Where partitionings begin, in a mesh that has changed its number of partitions. Absent = the
   * example log has had one partitioning.
   */
  readonly partitionedFrom?: {
    /** First partition of the second partitioning: older snapshots lack those from it on. */
    readonly second: number;
    /** First partition of the present partitioning: those before it end, or have ended. */
    readonly present: number;
  };
  /** Told when the trainer has learned something and is not asked for it in each round. */
  readonly parameterSync: Address;
  /** The joiner that writes each of these partitions, in their order. */
  readonly joiners: readonly Address[];
  /** Rows of a batch at most. The joiner writes chunks of as many rows. */
  readonly batchRows: number;
  /**
   * Looks up and pools the next batch during the dense step of this one. Faster where shards and
   * the dense step run in other threads. The rows of a batch then lack the gradients of the batch
   * before it.
   */
  readonly pipelined: boolean;
  /** Log records read at a time. */
  readonly chunksPerRead: number;
  /** Rows read ahead of training at most. */
  readonly rowsWaitingMax: number;
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /** Least budget of one message to a shard, ms. It grows with the time that the shard takes. */
  readonly shardBudgetMs: number;
  /**
   * Attempts of one such message that fail, for another reason than the shard's slowness, before
   * the trainer crashes and is restarted.
   */
  readonly shardAttemptsMax: number;
  /** Names of the model's tasks; shape `[tasks]`. */
  readonly taskNames: readonly string[];
  /** Pooling, by slot. */
  readonly combiners: readonly Combiner[];
  /** Layout of the shards' rows. The model's sparse inputs are found in it by name. */
  readonly layout: RowLayout;
  /** The slots that have rows of one user. */
  readonly userSlots: UserSlots;
  /** Bins of the progressive validation's histograms. */
  readonly validationBins: number;
}

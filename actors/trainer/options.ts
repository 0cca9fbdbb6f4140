/**
 * What a trainer needs to know, as plain data.
 */
import type { Address } from "../../mesh/runtime/actor.ts";
import type { Combiner } from "../../kernels/embedding/options.ts";
import type { RowLayout } from "../../kernels/embedding/row_classes.ts";

/** What is read, how it is cut into batches, and the shape of features and model. */
export interface TrainerOptions {
  /** This trainer's name in the shards' high-water marks, e.g. `"trainer/0"`. */
  readonly source: string;
  /** The partition of the example log that it reads; its number among the trainers. */
  readonly partition: number;
  /** Rows per step. */
  readonly batchRows: number;
  /** A batch that is not full is trained on when its first row has waited this long, ms. */
  readonly lingerMs: number;
  /**
   * Have two batches under way, or up to four of at most 1,024 rows together: the next one's rows are asked for, and
   * pooled, while this one is in the dense step. Faster where shards and the dense step live in other threads; those
   * rows lack the gradients of the batches between.
   */
  readonly pipelined: boolean;
  /** Log records read at a time. */
  readonly chunksPerRead: number;
  /** Rows that may be read and not yet trained on. */
  readonly rowsWaitingMax: number;
  /** Embedding shards, by shard number. */
  readonly shards: readonly Address[];
  /** Budget of one lookup or gradient message, ms. */
  readonly shardBudgetMs: number;
  /** Attempts of one such message before the trainer gives up and is restarted. */
  readonly shardAttemptsMax: number;
  readonly slots: number;
  readonly denseWidth: number;
  readonly tasks: number;
  /** What the model predicts, by name; shape `[tasks]`. */
  readonly taskNames: readonly string[];
  /** Pooling per slot. */
  readonly combiners: readonly Combiner[];
  /** The shards' rows; the model's sparse inputs are found by name. */
  readonly layout: RowLayout;
  /** Bins of the progressive validation's histograms. */
  readonly validationBins: number;
}

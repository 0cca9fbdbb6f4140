/**
 * Turns rows into the dense model's inputs for the rows of rankings: slots that all rows of a
 * ranking share are pooled once a ranking.
 */
import type { SharedInputs } from "../dense/inference_session.ts";
import type { DividedSlots, RankingBatch } from "../features/ranking_batch.ts";
import type { UniqueIds } from "./batch_kernel.ts";
import { type ModelInputsOptions, type PooledInputs, sliceBlocks } from "./model_inputs.ts";
import { PoolKernel, type PoolPlan } from "./pool_kernel.ts";
import { widthOf } from "./row_classes.ts";

/** The embedding inputs of the model, of the slots of each row and of the shared ones. */
export interface RankingInputArrays extends Pick<PooledInputs, "sparse"> {
  readonly shared: SharedInputs;
}

export class RankingInputs {
  readonly #pooling: PoolKernel;
  readonly #slices: readonly string[];

  /** @throws {Error} When the model needs a slice that rows do not have, or of another dim. */
  constructor(
    options: Pick<ModelInputsOptions, "layout" | "sparseInputs" | "combiners">,
    { own, shared }: DividedSlots,
  ) {
    const { classes, classByColumn } = options.layout;
    this.#slices = options.sparseInputs.map(({ slice }) => slice);
    const planOf = (slots: readonly number[]): PoolPlan => ({
      widths: classes.map(widthOf),
      classByColumn: slots.map((slot) => classByColumn[slot]),
      blocks: sliceBlocks(options, slots),
    });
    this.#pooling = new PoolKernel(planOf(own), { shared: planOf(shared) });
  }

  /**
   * The inputs of a batch, in the kernel's memory: valid until the next call.
   *
   * @param rows As those of `ModelInputs.pool`.
   * @param grouped The distinct ids of all lists, grouped by shard and class.
   */
  pool(
    rows: readonly Float32Array[],
    { groupStarts, inverse }: Pick<UniqueIds, "groupStarts" | "inverse">,
    { rankings, rankingOfRow, own, shared }: RankingBatch,
  ): RankingInputArrays {
    const pooled = this.#pooling.poolBoth(rows, {
      own: { groupStarts, inverse: inverse.subarray(0, own.ids), listOffsets: own.listOffsets },
      shared: { groupStarts, inverse: inverse.subarray(own.ids), listOffsets: shared.listOffsets },
    });
    return {
      sparse: this.#named(pooled.own),
      shared: { rankings, rankingOfRow, sparse: this.#named(pooled.shared) },
    };
  }

  #named(blocks: readonly Float32Array<ArrayBuffer>[]): PooledInputs["sparse"] {
    return Object.fromEntries(this.#slices.map((slice, i) => [slice, blocks[i]] as const));
  }
}

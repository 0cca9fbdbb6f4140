/**
 * Splits the distinct ids of a batch among the shards that own them, and asks these shards at once.
 */
import { classStartsOf } from "./row_classes.ts";

/** The ids of one shard: those from index `from` up to `to` of the distinct ids. */
export interface ShardRange {
  readonly shard: number;
  readonly from: number;
  readonly to: number;
  /** Where each class begins among the shard's ids; shape `[classes + 1]`. */
  readonly starts: Uint32Array<ArrayBuffer>;
}

export class ShardFanOut {
  readonly #shards: number;
  readonly #classes: number;

  /** @param classes Row classes; ids are grouped by shard, then by class. */
  constructor(shards: number, classes: number) {
    this.#shards = shards;
    this.#classes = classes;
  }

  /**
   * Calls `ask` for each shard that owns ids, and waits until every call has ended: after a failure
   * too, so that no call still uses memory or reaches a shard when the caller goes on.
   *
   * @param groupStarts Where each group begins among the distinct ids; shape `[shards · classes +
   *   1]`.
   * @returns The answers in the order of the shards, without the shards that own no ids.
   * @throws The error of the first shard that failed.
   */
  async ask<R>(groupStarts: Uint32Array, ask: (range: ShardRange) => Promise<R>): Promise<R[]> {
    const classes = this.#classes;
    const asked: Promise<R>[] = [];
    for (let shard = 0; shard < this.#shards; shard++) {
      const from = groupStarts[shard * classes];
      const to = groupStarts[(shard + 1) * classes];
      if (from === to) continue;
      asked.push(ask({ shard, from, to, starts: classStartsOf(groupStarts, shard, classes) }));
    }
    const ended = await Promise.allSettled(asked);
    return ended.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    });
  }
}

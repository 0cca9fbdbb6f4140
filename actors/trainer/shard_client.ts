/**
 * The trainer's side of the embedding shards: asks them all at once, and asks again what failed. Lookups have no
 * effect and gradients carry a sequence, so asking twice is safe.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";

/** The distinct ids of a batch, grouped by shard. */
export interface GroupedIds {
  readonly uniqueIds: FeatureIds;
  /** Shard s owns `uniqueIds[shardStarts[s] .. shardStarts[s + 1]]`. */
  readonly shardStarts: Uint32Array;
  /** Occurrences, `[unique]`. */
  readonly counts: Uint32Array;
}

export interface ShardClientOptions {
  readonly source: string;
  readonly width: number;
  readonly budgetMs: number;
  readonly attemptsMax: number;
}

export class ShardClient {
  readonly #shards: readonly ActorRef<EmbeddingShardMessage>[];
  readonly #options: ShardClientOptions;
  /** The lives of the shards whose marks are known, by shard. */
  #incarnations: string[] = [];

  constructor(
    shards: readonly ActorRef<EmbeddingShardMessage>[],
    options: ShardClientOptions,
  ) {
    this.#shards = shards;
    this.#options = options;
  }

  /** The newest sequence of this source in each shard. From here on, a shard that restarts is noticed. */
  async marks(): Promise<number[]> {
    const { source, budgetMs } = this.#options;
    const marks = await Promise.all(
      this.#shards.map((shard) =>
        this.#retry(() => shard.ask({ kind: "getHighWaterMark", source }, { budgetMs }))
      ),
    );
    this.#incarnations = marks.map(({ incarnation }) => incarnation);
    return marks.map(({ sequence }) => sequence);
  }

  /** Tells every shard that all up to `sequence` is applied, and that a snapshot cuts here. */
  async beginSnapshot(snapshot: string, sequence: number): Promise<void> {
    const { source, budgetMs } = this.#options;
    await Promise.all(this.#shards.map((shard, s) =>
      this.#retry(() => {
        const incarnation = this.#incarnations[s];
        return shard.ask(
          { kind: "beginSnapshot", snapshot, source, sequence, incarnation },
          { budgetMs },
        );
      })
    ));
  }

  /** Rows of the distinct ids, absent ones with the values that they would begin with; `[unique, width]`. */
  async lookup(grouped: GroupedIds): Promise<Float32Array<ArrayBuffer>> {
    const { width, budgetMs } = this.#options;
    if (this.#shards.length === 1) {
      const ids = grouped.uniqueIds;
      return (await this.#retry(() =>
        this.#shards[0].ask({ kind: "lookup", ids, missing: "initial" }, { budgetMs })
      )).rows;
    }
    const rows = new Float32Array(grouped.uniqueIds.length * width);
    await this.#eachShard(grouped, async (shard, from, to) => {
      const ids = grouped.uniqueIds.slice(from, to);
      const answer = await shard.ask({ kind: "lookup", ids, missing: "initial" }, { budgetMs });
      rows.set(answer.rows, from * width);
    });
    return rows;
  }

  /** Resolves when every shard has applied its part. */
  async applyGradients(
    grouped: GroupedIds,
    gradients: Float32Array<ArrayBuffer>,
    sequence: number,
    atMs: number,
  ): Promise<void> {
    const { source, width, budgetMs } = this.#options;
    await this.#eachShard(grouped, async (shard, from, to) => {
      await shard.ask({
        kind: "applyGradients",
        source,
        sequence,
        ids: grouped.uniqueIds.slice(from, to),
        gradients: gradients.slice(from * width, to * width),
        counts: grouped.counts.slice(from, to),
        atMs,
        incarnation: this.#incarnations[this.#shards.indexOf(shard)],
      }, { budgetMs });
    });
  }

  /** Calls `ask` for each shard that owns some of the ids, all at once. */
  async #eachShard(
    { shardStarts }: GroupedIds,
    ask: (shard: ActorRef<EmbeddingShardMessage>, from: number, to: number) => Promise<void>,
  ): Promise<void> {
    const asked: Promise<void>[] = [];
    for (let s = 0; s < this.#shards.length; s++) {
      const [from, to] = [shardStarts[s], shardStarts[s + 1]];
      if (from < to) asked.push(this.#retry(() => ask(this.#shards[s], from, to)));
    }
    await Promise.all(asked);
  }

  async #retry<R>(attempt: () => Promise<R>): Promise<R> {
    for (let attempts = 1;; attempts++) {
      try {
        return await attempt();
      } catch (error) {
        // A shard that lost rows does not get them back by asking again.
        const lost = (error as Error).name === "ShardRestartedError";
        if (lost || attempts >= this.#options.attemptsMax) throw error;
      }
    }
  }
}

/**
 * The trainer's side of the embedding shards: asks them all at once, and asks again what failed. Lookups have no
 * effect and gradients carry a sequence, so asking twice is safe.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import { type EmbeddingShardMessage, ShardRestartedError } from "../embedding_shard/protocol.ts";
import type { TrainerMark } from "./protocol.ts";

/** The distinct ids of a batch, grouped by shard. */
export interface GroupedIds {
  readonly uniqueIds: FeatureIds;
  /** Shard s owns `uniqueIds[shardStarts[s] .. shardStarts[s + 1]]`. */
  readonly shardStarts: Uint32Array;
  /** Occurrences, `[unique]`. */
  readonly counts: Uint32Array<ArrayBuffer>;
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

  /** @throws {ShardRestartedError} When a shard is not the one whose mark was read. */
  async check(): Promise<void> {
    const known = this.#incarnations;
    await this.marks();
    const restarted = this.#incarnations.findIndex((incarnation, s) => incarnation !== known[s]);
    if (restarted >= 0) throw new ShardRestartedError(restarted);
  }

  /** Where this trainer stands, when all up to `sequence` is applied. */
  standing(sequence: number): TrainerMark {
    return { source: this.#options.source, sequence, incarnations: this.#incarnations };
  }

  /** Tells every shard that a snapshot cuts here, where all trainers stand still. */
  async beginSnapshot(snapshot: string, standing: readonly TrainerMark[]): Promise<void> {
    const { budgetMs } = this.#options;
    await Promise.all(this.#shards.map((shard, s) =>
      this.#retry(() => {
        const marks = standing.map(({ source, sequence, incarnations }) => {
          return { source, sequence, incarnation: incarnations[s] };
        });
        return shard.ask({ kind: "beginSnapshot", snapshot, marks }, { budgetMs });
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
    await this.#eachShard(grouped, async (s, from, to) => {
      const ids = grouped.uniqueIds.slice(from, to);
      const { rows: found } = await this.#shards[s].ask(
        { kind: "lookup", ids, missing: "initial" },
        { budgetMs, transfer: [ids.buffer] },
      );
      rows.set(found, from * width);
    });
    return rows;
  }

  /** Resolves when every shard has applied its part of the gradients, `[unique, width]`. */
  async applyGradients(
    grouped: GroupedIds,
    gradients: Float32Array<ArrayBuffer>,
    sequence: number,
    atMs: number,
  ): Promise<void> {
    const { source, width, budgetMs } = this.#options;
    const kind = "applyGradients";
    if (this.#shards.length === 1) {
      // All belongs to one shard: nothing to cut, and in this thread nothing to copy.
      const { uniqueIds: ids, counts } = grouped;
      const [incarnation] = this.#incarnations;
      const message = {
        kind,
        source,
        sequence,
        ids,
        gradients,
        counts,
        atMs,
        incarnation,
      } as const;
      await this.#retry(() => this.#shards[0].ask(message, { budgetMs }));
      return;
    }
    await this.#eachShard(grouped, async (s, from, to) => {
      const ids = grouped.uniqueIds.slice(from, to);
      const part = gradients.slice(from * width, to * width);
      const counts = grouped.counts.slice(from, to);
      const incarnation = this.#incarnations[s];
      await this.#shards[s].ask(
        { kind, source, sequence, ids, gradients: part, counts, atMs, incarnation },
        { budgetMs, transfer: [ids.buffer, part.buffer, counts.buffer] },
      );
    });
  }

  /** Calls `ask` for each shard that owns some of the ids, all at once. */
  async #eachShard(
    { shardStarts }: GroupedIds,
    ask: (shard: number, from: number, to: number) => Promise<void>,
  ): Promise<void> {
    const asked: Promise<void>[] = [];
    for (let s = 0; s < this.#shards.length; s++) {
      const [from, to] = [shardStarts[s], shardStarts[s + 1]];
      if (from < to) asked.push(this.#retry(() => ask(s, from, to)));
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

/**
 * The trainer's side of the embedding shards: asks them all at once, and asks again what failed. Lookups have no
 * effect and gradients carry a sequence, so asking twice is safe.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import { RowBuffers } from "../../kernels/embedding/row_buffers.ts";
import { classStartsOf, floatStarts } from "../../kernels/embedding/row_classes.ts";
import { type EmbeddingShardMessage, ShardRestartedError } from "../embedding_shard/protocol.ts";
import type { TrainerMark } from "./protocol.ts";

/** As many batches as are in flight. */
const SPARES_PER_SHARD = 4;

/** The distinct ids of a batch. */
export type GroupedIds = Pick<UniqueIds, "uniqueIds" | "groupStarts" | "counts">;

export interface ShardClientOptions {
  readonly source: string;
  /** Weights of a row, by class. */
  readonly widths: readonly number[];
  readonly budgetMs: number;
  readonly attemptsMax: number;
}

/** One shard's part of the distinct ids: those from `from` to `to`, copied for one message. */
interface ShardIds {
  readonly number: number;
  readonly ids: FeatureIds;
  readonly starts: Uint32Array<ArrayBuffer>;
  readonly from: number;
  readonly to: number;
}

export class ShardClient {
  readonly #shards: readonly ActorRef<EmbeddingShardMessage>[];
  readonly #options: ShardClientOptions;
  readonly #buffers: RowBuffers;
  /** The lives of the shards whose marks are known, by shard. */
  #incarnations: string[] = [];

  constructor(
    shards: readonly ActorRef<EmbeddingShardMessage>[],
    options: ShardClientOptions,
  ) {
    this.#shards = shards;
    this.#options = options;
    this.#buffers = new RowBuffers(SPARES_PER_SHARD * shards.length);
  }

  /** The lives of the shards that {@link marks} found, by shard. */
  get incarnations(): readonly string[] {
    return this.#incarnations;
  }

  /** The newest sequence of this source in each shard. From here on, a shard that restarts is noticed. */
  async marks(): Promise<number[]> {
    const marks = await this.#readMarks();
    this.#incarnations = marks.map(({ incarnation }) => incarnation);
    return marks.map(({ sequence }) => sequence);
  }

  /**
   * The known lives stay: gradients on their way must not reach a shard that has lost those before them.
   *
   * @throws {ShardRestartedError} When a shard is not the one whose mark was read.
   */
  async check(): Promise<void> {
    const marks = await this.#readMarks();
    const restarted = marks.findIndex(({ incarnation }, s) =>
      incarnation !== this.#incarnations[s]
    );
    if (restarted >= 0) throw new ShardRestartedError(restarted);
  }

  #readMarks() {
    const { source, budgetMs } = this.#options;
    return Promise.all(
      this.#shards.map((shard) =>
        this.#retry(() => shard.ask({ kind: "getHighWaterMark", source }, { budgetMs }))
      ),
    );
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

  /**
   * Rows of the distinct ids, absent ones with the values that they would begin with.
   *
   * @returns By shard: for n ids of a class `[n, width]`, one class after another. Give them back when they are read.
   */
  async lookup(grouped: GroupedIds): Promise<Float32Array<ArrayBuffer>[]> {
    const { budgetMs } = this.#options;
    const kind = "lookup", missing = "initial";
    return await this.#eachShard(grouped, async (shard, { ids, starts }) => {
      const message = { kind, ids, starts, missing } as const;
      return (await shard.ask(message, { budgetMs, transfer: [ids.buffer] })).rows;
    });
  }

  /**
   * Takes over the memory of looked-up rows that nobody reads any more: gradients will go back in it.
   */
  giveBack(rows: readonly Float32Array<ArrayBuffer>[]): void {
    for (const array of rows) this.#buffers.give(array);
  }

  /**
   * Resolves when every shard has applied its part of the gradients.
   *
   * @param gradients In the shape of the looked-up rows, one shard after another; read again when a shard is asked again.
   */
  async applyGradients(
    grouped: GroupedIds,
    gradients: Float32Array,
    sequence: number,
    atMs: number,
  ): Promise<void> {
    const { source, widths, budgetMs } = this.#options;
    const kind = "applyGradients";
    const floats = floatStarts(grouped.groupStarts, widths);
    await this.#eachShard(grouped, async (shard, { number, ids, starts, from, to }) => {
      const groups = number * widths.length;
      const mine = gradients.subarray(floats[groups], floats[groups + widths.length]);
      const part = this.#buffers.take(mine.length);
      part.set(mine);
      const counts = grouped.counts.slice(from, to);
      const incarnation = this.#incarnations[number];
      await shard.ask(
        { kind, source, sequence, ids, starts, gradients: part, counts, atMs, incarnation },
        { budgetMs, transfer: [ids.buffer, part.buffer, counts.buffer] },
      );
    });
  }

  /** Calls `ask` for each shard that owns some of the ids, all at once; the answers are in the shards' order. */
  #eachShard<R>(
    { uniqueIds, groupStarts }: GroupedIds,
    ask: (shard: ActorRef<EmbeddingShardMessage>, ids: ShardIds) => Promise<R>,
  ): Promise<R[]> {
    const classes = this.#options.widths.length;
    const asked: Promise<R>[] = [];
    this.#shards.forEach((shard, number) => {
      const [from, to] = [groupStarts[number * classes], groupStarts[(number + 1) * classes]];
      if (from === to) return;
      const starts = classStartsOf(groupStarts, number, classes);
      asked.push(this.#retry(() => {
        const ids = uniqueIds.slice(from, to);
        return ask(shard, { number, ids, starts, from, to });
      }));
    });
    return Promise.all(asked);
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

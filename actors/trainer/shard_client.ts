/**
 * The trainer's side of the embedding shards: asks all of them at once, and retries what failed.
 * Retries are safe, since lookups have no effect and gradients carry a sequence.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import { floatStarts } from "../../kernels/embedding/row_classes.ts";
import { ShardFanOut } from "../../kernels/embedding/shard_fan_out.ts";
import { BufferPool } from "../../structures/buffer_pool.ts";
import { invariant } from "../../structures/invariant.ts";
import { type EmbeddingShardMessage, ShardRestartedError } from "../embedding_shard/protocol.ts";
import type { TrainerMark } from "./protocol.ts";

/** Spare buffers per shard: as many as there are batches in flight. */
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

/** The gradients of one batch. */
export interface BatchGradients {
  /** In the shape of the looked-up rows, one shard after another. Read again by a retry. */
  readonly gradients: Float32Array;
  readonly sequence: number;
  /** Data clock, ms. */
  readonly atMs: number;
}

export class ShardClient {
  readonly #shards: readonly ActorRef<EmbeddingShardMessage>[];
  readonly #options: ShardClientOptions;
  readonly #fanOut: ShardFanOut;
  readonly #buffers: BufferPool;
  /** The incarnations of the shards whose marks are known, by shard. */
  #incarnations: string[] = [];
  /** Sequence of the newest gradients that were sent. */
  #sent = -Infinity;

  constructor(
    shards: readonly ActorRef<EmbeddingShardMessage>[],
    options: ShardClientOptions,
  ) {
    this.#shards = shards;
    this.#options = options;
    this.#fanOut = new ShardFanOut(shards.length, options.widths.length);
    this.#buffers = new BufferPool(SPARES_PER_SHARD * shards.length);
  }

  /** The incarnations of the shards that {@link marks} found, by shard. */
  get incarnations(): readonly string[] {
    return this.#incarnations;
  }

  /** The newest sequence of this source in each shard. A later restart of a shard is noticed. */
  async marks(): Promise<number[]> {
    const marks = await this.#readMarks();
    this.#incarnations = marks.map(({ incarnation }) => incarnation);
    return marks.map(({ sequence }) => sequence);
  }

  /**
   * Looks for restarted shards. The known incarnations stay: gradients on their way must not reach
   * a shard that has lost the ones before them.
   *
   * @throws {ShardRestartedError} When a shard has another incarnation than {@link marks} found.
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

  /** This trainer's mark, when all rows up to `sequence` are applied. */
  standing(sequence: number): TrainerMark {
    return { source: this.#options.source, sequence, incarnations: this.#incarnations };
  }

  /** Tells every shard that a snapshot cuts here, where all trainers hold still. */
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
   * Rows of the distinct ids. An absent id has the values that its row would begin with.
   *
   * @returns By shard: for n ids of a class `[n, width]`, one class after another. Hand them to
   * {@link giveBack} when they are read.
   */
  lookup({ uniqueIds, groupStarts }: GroupedIds): Promise<Float32Array<ArrayBuffer>[]> {
    const { budgetMs } = this.#options;
    return this.#fanOut.ask(groupStarts, ({ shard, from, to, starts }) =>
      this.#retry(async () => {
        const ids = uniqueIds.slice(from, to);
        const message = { kind: "lookup", ids, starts, missing: "initial" } as const;
        const options = { budgetMs, transfer: [ids.buffer] };
        return (await this.#shards[shard].ask(message, options)).rows;
      }));
  }

  /** Takes over the memory of looked-up rows, which gradients will use. */
  giveBack(rows: readonly Float32Array<ArrayBuffer>[]): void {
    for (const array of rows) this.#buffers.give(array);
  }

  /** Resolves when every shard has applied its part of the gradients. */
  async applyGradients(
    { uniqueIds, groupStarts, counts }: GroupedIds,
    { gradients, sequence, atMs }: BatchGradients,
  ): Promise<void> {
    invariant(sequence > this.#sent, "sequences of gradients ascend");
    this.#sent = sequence;
    const { source, widths, budgetMs } = this.#options;
    const floats = floatStarts(groupStarts, widths);
    await this.#fanOut.ask(groupStarts, ({ shard, from, to, starts }) =>
      this.#retry(() => {
        const group = shard * widths.length;
        const part = gradients.subarray(floats[group], floats[group + widths.length]);
        const message = {
          kind: "applyGradients",
          source,
          sequence,
          ids: uniqueIds.slice(from, to),
          starts,
          gradients: this.#buffers.take(part.length),
          counts: counts.slice(from, to),
          atMs,
          incarnation: this.#incarnations[shard],
        } as const;
        message.gradients.set(part);
        return this.#shards[shard].ask(message, {
          budgetMs,
          transfer: [message.ids.buffer, message.gradients.buffer, message.counts.buffer],
        });
      }));
  }

  async #retry<R>(attempt: () => Promise<R>): Promise<R> {
    for (let attempts = 1;; attempts++) {
      try {
        return await attempt();
      } catch (error) {
        // A restarted shard does not get its lost rows back by a retry.
        const lost = (error as Error).name === "ShardRestartedError";
        if (lost || attempts >= this.#options.attemptsMax) throw error;
      }
    }
  }
}

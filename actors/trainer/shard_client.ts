/**
 * The trainer's side of the embedding shards: asks all of them at once, and repeats asks that
 * failed. Repeating is safe, since lookups have no effect and gradients carry a sequence.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import type { ExportCursor } from "../../kernels/embedding/class_tables.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import { classStartsOf, floatsOf, floatStarts } from "../../kernels/embedding/row_classes.ts";
import { ShardFanOut } from "../../kernels/embedding/shard_fan_out.ts";
import { BufferPool } from "../../structures/buffer_pool.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { invariant } from "../../structures/invariant.ts";
import {
  type EmbeddingShardMessage,
  type LearnedChunk,
  type RemovedRows,
  ShardRestartedError,
} from "../embedding_shard/protocol.ts";
import type { Cut, StandingPartition } from "./protocol.ts";
import { RepeatedAsks, type RepeatedAsksOptions, type Repeating } from "./repeated_asks.ts";
import { ShardOpenings } from "./shard_openings.ts";

/** Spare buffers per shard: as many as there are batches in flight. */
const SPARES_PER_SHARD = 2;

/** Rows that a shard visits for one page of ids. */
const LISTED_ROWS_MAX = 8_192;

/** Errors of a shard that another ask gets again. By name: the shard may live in another thread. */
const FINAL_ERRORS: ReadonlySet<string> = new Set([
  "ShardRestartedError",
  "SourceReopenedError",
  "SourceTakenError",
  "CutPassedError",
]);

/** The distinct ids of a batch. */
export type GroupedIds = Pick<UniqueIds, "uniqueIds" | "groupStarts" | "counts">;

/** By partition, the newest sequence that each shard has applied; shape `[shards]`. */
export type AppliedSequences = ReadonlyMap<number, readonly number[]>;

export interface ShardClientOptions {
  /** The partitions whose gradients it sends, each with a source of its own. */
  readonly partitions: readonly number[];
  /** See {@link TrainerOptions.tenure}. */
  readonly tenure?: number | undefined;
  /** Weights of a row, by class. */
  readonly widths: readonly number[];
  /** The trainer's: its end ends the wait for slow shards. */
  readonly context: RepeatedAsksOptions["context"];
  /** Least budget of a message, ms; longer for a shard that is slower. */
  readonly budgetMs: number;
  /** Attempts of a message that fail for another reason than the shard's slowness. */
  readonly attemptsMax: number;
}

/** The gradients of one batch. */
export interface BatchGradients {
  /** In the shape of the looked-up rows, one shard after another. Read again by a retry. */
  readonly gradients: Float32Array;
  readonly partition: number;
  readonly sequence: number;
  /** The chunk of the batch's rows. */
  readonly chunk?: LearnedChunk | undefined;
  /** Data clock, ms. */
  readonly atMs: number;
  /** The span of the batch. */
  readonly trace?: TraceContext | undefined;
}

export class ShardClient {
  readonly #shards: readonly ActorRef<EmbeddingShardMessage>[];
  readonly #options: ShardClientOptions;
  readonly #fanOut: ShardFanOut;
  readonly #buffers: BufferPool;
  /** By shard. */
  readonly #asks: readonly RepeatedAsks[];
  readonly #openings: ShardOpenings;
  readonly #learned = new Map<number, readonly LearnedChunk[]>();
  /** By partition, the sequence of the newest gradients that were sent. */
  readonly #sent = new Map<number, number>();

  constructor(
    shards: readonly ActorRef<EmbeddingShardMessage>[],
    options: ShardClientOptions,
  ) {
    this.#shards = shards;
    this.#options = options;
    this.#openings = new ShardOpenings(options.partitions);
    const { context, budgetMs, attemptsMax: failuresMax } = options;
    this.#asks = shards.map(({ address }) =>
      new RepeatedAsks({ context, address, budgetMs, failuresMax, finalErrors: FINAL_ERRORS })
    );
    this.#fanOut = new ShardFanOut(shards.length, options.widths.length);
    this.#buffers = new BufferPool(SPARES_PER_SHARD * shards.length);
  }

  /** Incarnations of the shards at {@link open}, by shard; the same array until the next one. */
  get incarnations(): readonly string[] {
    return this.#openings.incarnations;
  }

  /**
   * By partition, the chunks of the newest gradients that the shards had applied at {@link open},
   * of those that had applied any since their snapshot.
   */
  get learned(): ReadonlyMap<number, readonly LearnedChunk[]> {
    return this.#learned;
  }

  /** Budget with which the slowest shard answers, ms. */
  get budgetMs(): number {
    return Math.max(...this.#asks.map(({ budgetMs }) => budgetMs));
  }

  /** Lets the messages on their way be the last ones, however they end. */
  end(): void {
    for (const asks of this.#asks) asks.end();
  }

  /**
   * Opens the streams of this trainer's partitions at every shard, however slow the shards are.
   * Messages of an earlier opening have no effect from now on. Where a shard was restarted
   * meanwhile, all streams are opened again: high-water marks of different incarnations cannot be
   * compared.
   *
   * @returns The newest sequences that the shards have applied.
   * @throws {SourceTakenError} A later trainer of a partition has the shards.
   * @throws {ShardRestartedError} When a shard was restarted during each of `attemptsMax` attempts.
   * @throws {Error} When a shard cannot be reached.
   */
  async open(): Promise<AppliedSequences> {
    for (let attempt = 1;; attempt++) {
      const applied = await this.#openAll();
      const restarted = this.#openings.restarted;
      if (restarted === undefined) return applied;
      if (attempt >= this.#options.attemptsMax) throw new ShardRestartedError(restarted);
    }
  }

  async #openAll(): Promise<AppliedSequences> {
    const { partitions, tenure } = this.#options;
    const all = await Promise.all(partitions.map(async (partition) => {
      const source = gradientSource(partition);
      const message = { kind: "openSource", source, ...(tenure && { tenure }) } as const;
      const opened = await this.#askAll(
        (shard, _, budgetMs) => shard.ask(message, { budgetMs }),
        { isStart: true },
      );
      this.#openings.set(partition, opened);
      this.#learned.set(partition, opened.flatMap(({ chunk }) => chunk ?? []));
      return [partition, opened.map(({ sequence }) => sequence)] as const;
    }));
    return new Map(all);
  }

  /**
   * Whether a shard serves while it loads its rows. Resolves at the first shard that does, or when
   * all have answered, however slow they are.
   *
   * @throws {Error} When a shard cannot be reached.
   */
  areLoading(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#askAll(async (shard, _, budgetMs) => {
        const { loadedShare } = await shard.ask({ kind: "getStatistics" }, { budgetMs });
        if (loadedShare < 1) resolve(true);
      }, { isStart: true }).then(() => resolve(false), reject);
    });
  }

  /**
   * Looks for restarted shards. The openings stay: gradients on their way must not reach a shard
   * that has lost the ones before them.
   *
   * @throws {ShardRestartedError} When a shard has another incarnation than at {@link open}.
   */
  async check(): Promise<void> {
    const answers = await this.#askAll((shard, _, budgetMs) =>
      shard.ask({ kind: "getIncarnation" }, { budgetMs })
    );
    this.#openings.requireSame(answers);
  }

  /** A partition of this trainer, which holds still when all rows up to `sequence` are applied. */
  standing(partition: number, sequence: number): StandingPartition {
    const openings = this.#openings.of(partition);
    return { source: gradientSource(partition), sequence, openings };
  }

  /**
   * Tells every shard that a snapshot cuts here, where all partitions hold still.
   *
   * @param remainingMs Time left for the cut, ms.
   */
  async beginSnapshot(
    { snapshot, base }: Pick<Cut, "snapshot" | "base">,
    standing: readonly StandingPartition[],
    remainingMs: () => number,
  ): Promise<void> {
    await this.#askAll((shard, s, budgetMs) => {
      const marks = standing.map(({ source, sequence, openings }) => {
        return { source, sequence, opening: openings[s] };
      });
      const begin = { kind: "beginSnapshot", snapshot, marks, ...(base && { base }) } as const;
      return shard.ask(begin, { budgetMs });
    }, { remainingMs });
  }

  /**
   * Has every shard restart from the newest snapshot. Resolves also where a shard restarts before
   * it answers.
   */
  async goBack(): Promise<void> {
    const { budgetMs } = this;
    await Promise.allSettled(
      this.#shards.map((shard, s) =>
        shard.ask({ kind: "goBack", opening: this.#openings.ofAny[s] }, { budgetMs })
      ),
    );
  }

  /** Asks every shard until it answers; the answers are in the shards' order. */
  #askAll<R>(
    ask: (shard: ActorRef<EmbeddingShardMessage>, s: number, budgetMs: number) => Promise<R>,
    repeating?: Repeating,
  ): Promise<R[]> {
    return Promise.all(
      this.#shards.map((shard, s) =>
        this.#asks[s].ask((budgetMs) => ask(shard, s, budgetMs), repeating)
      ),
    );
  }

  /**
   * Rows of the distinct ids. An absent id has the values that its row would begin with.
   *
   * @returns By shard that owns ids: for n ids of a class `[n, width]`, one class after another.
   * Hand them to {@link giveBack} when they are read.
   */
  lookup(
    { uniqueIds, groupStarts }: GroupedIds,
    trace?: TraceContext,
  ): Promise<Float32Array<ArrayBuffer>[]> {
    const { widths } = this.#options;
    return this.#fanOut.ask(
      groupStarts,
      ({ shard, from, to, starts }) =>
        this.#asks[shard].ask(async (budgetMs) => {
          const ids = uniqueIds.slice(from, to);
          const message = { kind: "lookup", ids, starts, missing: "initial" } as const;
          const options = { budgetMs, transfer: [ids.buffer], trace };
          const { rows } = await this.#shards[shard].ask(message, options);
          const floats = floatsOf(starts, widths);
          if (rows.length === floats) return rows;
          const { address } = this.#shards[shard];
          throw new RangeError(`${address} answered with ${rows.length} floats, not ${floats}`);
        }),
    );
  }

  /** Takes over the memory of looked-up rows, which gradients will use. */
  giveBack(rows: readonly Float32Array<ArrayBuffer>[]): void {
    for (const array of rows) this.#buffers.give(array);
  }

  /** Resolves when every shard has applied its part of the gradients. */
  async applyGradients(
    { uniqueIds, groupStarts, counts }: GroupedIds,
    { gradients, partition, sequence, chunk, atMs, trace }: BatchGradients,
  ): Promise<void> {
    invariant(
      sequence > (this.#sent.get(partition) ?? -Infinity),
      "sequences of a partition's gradients ascend",
    );
    this.#sent.set(partition, sequence);
    const { widths } = this.#options;
    const [source, openings] = [gradientSource(partition), this.#openings.of(partition)];
    const floats = floatStarts(groupStarts, widths);
    await this.#fanOut.ask(
      groupStarts,
      ({ shard, from, to, starts }) =>
        this.#asks[shard].ask((budgetMs) => {
          const group = shard * widths.length;
          const part = gradients.subarray(floats[group], floats[group + widths.length]);
          const message = {
            kind: "applyGradients",
            source,
            sequence,
            chunk,
            ids: uniqueIds.slice(from, to),
            starts,
            gradients: this.#buffers.take(part.length),
            counts: counts.slice(from, to),
            atMs,
            opening: openings[shard],
          } as const;
          message.gradients.set(part);
          return this.#shards[shard].ask(message, {
            budgetMs,
            trace,
            transfer: [message.ids.buffer, message.gradients.buffer, message.counts.buffer],
          });
        }),
    );
  }

  /** The ids of all rows of some slots, in the order of the shards. */
  async listIds(slots: readonly number[]): Promise<FeatureIds[]> {
    const pages = await this.#askAll(async (shard, _, budgetMs) => {
      const pages: FeatureIds[] = [];
      let cursor: ExportCursor | undefined;
      do {
        const message = { kind: "listIds", slots, rowsMax: LISTED_ROWS_MAX } as const;
        const page: { readonly ids: FeatureIds; readonly next?: ExportCursor } = await shard.ask(
          { ...message, ...(cursor && { cursor }) },
          { budgetMs },
        );
        pages.push(page.ids);
        cursor = page.next;
      } while (cursor !== undefined);
      return pages;
    });
    return pages.flat();
  }

  /**
   * Removes the rows of ids at every shard; resolves with the removed rows by slot number.
   *
   * @param isLast Raises the high-water marks of all shards to `sequence`, also where they have no
   *   ids.
   */
  async removeRows(
    { uniqueIds, groupStarts }: Pick<GroupedIds, "uniqueIds" | "groupStarts">,
    { partition, sequence, chunk, isLast }: {
      readonly partition: number;
      readonly sequence: number;
      readonly chunk: LearnedChunk | undefined;
      readonly isLast: boolean;
    },
  ): Promise<RemovedRows[]> {
    invariant(
      sequence > (this.#sent.get(partition) ?? -Infinity),
      "a removal comes between the gradients of two batches",
    );
    if (isLast) this.#sent.set(partition, sequence);
    const [source, openings] = [gradientSource(partition), this.#openings.of(partition)];
    const classes = this.#options.widths.length;
    return await this.#askAll((shard, s, budgetMs) => {
      const message = {
        kind: "removeRows",
        source,
        sequence,
        chunk,
        ids: uniqueIds.slice(groupStarts[s * classes], groupStarts[(s + 1) * classes]),
        starts: classStartsOf(groupStarts, s, classes),
        isLast,
        opening: openings[s],
      } as const;
      return shard.ask(message, { budgetMs });
    });
  }
}

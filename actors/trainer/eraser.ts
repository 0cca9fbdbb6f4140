/**
 * Removes the rows of erased users from all shards, at the point of the example log where the
 * erasure stands. A replay repeats it: the same rows of the other slots give the same crosses, and
 * a shard that has applied it before changes nothing.
 *
 * The writes to the blob store run outside the trainer's turns, so a store that is slow or away
 * takes no time of them. While it refuses a write, the erasure stays under way: its rows are
 * removed once, and the write is tried again at intervals.
 */
import type { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import {
  combinationsOf,
  crossIds,
  partnersOf,
  type UserCross,
} from "../../kernels/features/user_slots.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { type ErasedCross, writeTrainerErasure } from "../../records/erasure.ts";
import { featureIdOf, type Forgotten } from "../../records/forgotten.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import type { LearnedChunk, RemovedRows } from "../embedding_shard/protocol.ts";
import type { Erasing } from "./example_batch.ts";
import type { TrainerOptions } from "./options.ts";
import type { TrainerMessage } from "./protocol.ts";
import type { Recovery } from "./recovery.ts";
import type { ShardClient } from "./shard_client.ts";
import { invariant } from "../../structures/invariant.ts";

/** Combinations of one cross that are removed at most; hashing them takes some seconds. */
const COMBINATIONS_MAX = 1 << 24;

/** Delay before a write that the blob store refused is tried again. */
export const STORE_RETRY_MS = 1_000;
/** Time between two log lines about one erasure that waits. */
const LOG_INTERVAL_MS = 60_000;

export interface EraserParts {
  readonly options: Pick<TrainerOptions, "name" | "shards" | "userSlots">;
  readonly shards: ShardClient;
  readonly kernel: BatchKernel;
  readonly blobs: BlobStore;
  readonly context: ActorContext<TrainerMessage>;
}

/** Rows removed so far, by slot number; undefined where a shard had removed them before. */
type Removed = Map<number, number> | undefined;

/** The rows that one erasure has removed. */
interface Removal {
  readonly removed: Removed;
  readonly crosses: readonly ErasedCross[];
}

/** The place of a removal among the gradients of a partition. */
type RemovalPoint = Pick<UnderWay, "partition" | "sequence" | "chunk">;

/** The erasures of a chunk, as far as they have come. */
interface UnderWay {
  readonly partition: number;
  readonly offset: number;
  /** Sequence of the removals; rows of another schema behind them may raise that of the chunk. */
  readonly sequence: number;
  /** The chunk of the erasures. */
  readonly chunk: LearnedChunk | undefined;
  /** Erasures whose records are written. */
  recorded: number;
  /** Rows that the next erasure has deleted from the quarantine; undefined before that. */
  quarantined: number | undefined;
  /** Rows that the next erasure has removed; undefined before that. */
  removal: Removal | undefined;
}

/** The beginning of an erasure; of its chunk too. */
const BEGINNING = { recorded: 0, quarantined: undefined, removal: undefined };

export class Eraser {
  readonly #parts: EraserParts;
  #underWay: UnderWay | undefined;
  #isWaiting = false;
  /** When it was logged that the erasure under way waits, on the monotonic clock, ms. */
  #loggedAtMs = -Infinity;

  constructor(parts: EraserParts) {
    this.#parts = parts;
  }

  /** Whether rows may be removed whose record is not written: no cut may hold this moment. */
  get isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** Whether a write is under way, or was refused and is tried again after a pause. */
  get isWaiting(): boolean {
    return this.#isWaiting;
  }

  /** Ends the wait: the write has ended, or its pause. */
  endWait(): void {
    this.#isWaiting = false;
  }

  /**
   * Removes rows and records that, as far as it comes without waiting for the blob store: the
   * trainer answers requests meanwhile. No batch may be in flight.
   *
   * @returns False where a write is to be awaited: call it again with the same erasures after
   * {@link endWait}. The trainer is told `storeRetryDue` then.
   */
  async erase(erasing: Erasing, recovery: Recovery): Promise<boolean> {
    const { partition, forget, offset, chunk, after } = erasing;
    const { sequence } = after;
    const underWay = this.#underWay ??= { partition, offset, sequence, chunk, ...BEGINNING };
    invariant(
      underWay.partition === partition && underWay.offset === offset,
      "erasures are finished in the order of the log",
    );
    while (!this.#isWaiting && underWay.recorded < forget.length) {
      await this.#goOn(forget[underWay.recorded], forget.length, underWay, recovery);
    }
    if (this.#isWaiting) return false;
    this.#underWay = undefined;
    return true;
  }

  /** Takes the next erasure one step on. */
  async #goOn(
    { erasureId, pass, signature }: Forgotten,
    count: number,
    underWay: UnderWay,
    recovery: Recovery,
  ): Promise<void> {
    const { options: { userSlots }, blobs, context: { clock } } = this.#parts;
    const { partition, sequence, offset, chunk, recorded, quarantined } = underWay;
    if (quarantined === undefined) {
      const ids = userSlots.ids.map((slot) => featureIdOf(slot, signature));
      return this.#write(erasureId, async () => {
        underWay.quarantined = await recovery.erase(ids);
      });
    }
    const isLast = recorded === count - 1;
    const at = { partition, sequence, chunk };
    const removal = underWay.removal ??= await this.#removeRows(signature, at, isLast);
    const { removed, crosses } = removal;
    this.#write(erasureId, async () => {
      await writeTrainerErasure(blobs, erasureId, pass, {
        source: gradientSource(partition),
        partition,
        offset,
        sequence,
        atMs: clock.nowMs(),
        ...(removed && { rowsRemoved: sum(userSlots.ids.map((slot) => removed.get(slot) ?? 0)) }),
        crosses,
        quarantined,
      });
      Object.assign(underWay, { ...BEGINNING, recorded: recorded + 1 });
    });
  }

  /** Begins a write, and wakes the trainer when it has ended, or is to be tried again. */
  #write(erasureId: string, write: () => Promise<void>): void {
    const { context } = this.#parts;
    this.#isWaiting = true;
    write().then(() => {
      this.#logEnd(erasureId);
      return 0;
    }, (cause) => {
      this.#logRefusal(erasureId, cause);
      return STORE_RETRY_MS;
    }).then((delayMs) => {
      if (context.isCurrent) context.schedule(delayMs, { kind: "storeRetryDue" });
    });
  }

  #logRefusal(erasureId: string, cause: unknown): void {
    const { context: { telemetry, clock, isCurrent }, options: { name } } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (!isCurrent || nowMs - this.#loggedAtMs < LOG_INTERVAL_MS) return;
    this.#loggedAtMs = nowMs;
    telemetry.log(
      "warn",
      `${name} cannot record the erasure ${erasureId} in the blob store, and learns nothing ` +
        `until it can: ${reasonOf(cause)}`,
    );
  }

  #logEnd(erasureId: string): void {
    if (this.#loggedAtMs === -Infinity) return;
    this.#loggedAtMs = -Infinity;
    const { context: { telemetry }, options: { name } } = this.#parts;
    telemetry.log("info", `${name} goes on with the erasure ${erasureId}`);
  }

  async #removeRows(
    signature: Forgotten["signature"],
    at: RemovalPoint,
    isLast: boolean,
  ): Promise<Removal> {
    const { shards, options: { userSlots } } = this.#parts;
    const { ids, crosses } = userSlots;
    const partners = partnersOf(userSlots);
    const listed = partners.length === 0 ? [] : await shards.listIds(partners);
    const idsOf = (slot: number): FeatureIds =>
      ids.includes(slot) ? BigUint64Array.of(featureIdOf(slot, signature)) : ofSlot(listed, slot);
    let removed: Removed = new Map();
    const remove = async (some: FeatureIds, isLast: boolean): Promise<void> => {
      removed = added(removed, await this.#remove(some, at, isLast));
    };
    const outcomes: [UserCross, number][] = [];
    for (const cross of crosses) {
      const lists = new Map(cross.parts.map((part) => [part, idsOf(part)]));
      const part = (slot: number) => lists.get(slot) ?? new BigUint64Array();
      const combinations = combinationsOf(cross, part);
      outcomes.push([cross, combinations]);
      if (combinations > COMBINATIONS_MAX) continue;
      for (const some of crossIds(cross, part, FeatureHasher.create())) await remove(some, false);
    }
    await remove(BigUint64Array.from(ids, (slot) => featureIdOf(slot, signature)), isLast);
    return {
      removed,
      crosses: outcomes.map(([{ name, slot, isComplete }, combinations]) => {
        const rowsRemoved = removed?.get(slot) ?? 0;
        const outcome = combinations > COMBINATIONS_MAX
          ? "too-many"
          : isComplete
          ? "complete"
          : "rows-may-stay";
        return { slot: name, combinations, rowsRemoved, outcome };
      }),
    };
  }

  #remove(ids: FeatureIds, at: RemovalPoint, isLast: boolean): Promise<RemovedRows[]> {
    const { shards, kernel, options } = this.#parts;
    return shards.removeRows(kernel.unique(ids, options.shards.length), { ...at, isLast });
  }
}

/** The ids of a slot among those that the shards listed. */
function ofSlot(pages: readonly FeatureIds[], slot: number): FeatureIds {
  const own = pages.map((ids) => ids.filter((id) => Number(id >> 48n) === slot));
  const all = new BigUint64Array(sum(own.map(({ length }) => length)));
  let end = 0;
  for (const ids of own) {
    all.set(ids, end);
    end += ids.length;
  }
  // The order of the shards' pages is no part of the log.
  return all.sort();
}

/** Adds the answers of all shards; undefined where one had applied the removal before. */
function added(removed: Removed, answers: readonly RemovedRows[]): Removed {
  if (removed === undefined || answers.some(({ applied }) => !applied)) return undefined;
  for (const { rows } of answers) {
    for (const [slot, count] of Object.entries(rows)) {
      removed.set(Number(slot), (removed.get(Number(slot)) ?? 0) + count);
    }
  }
  return removed;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * Removes the rows of erased users from all shards, at the point of the example log where the
 * erasure stands. A replay repeats it: the same rows of the other slots give the same crosses, and
 * a shard that has applied it before changes nothing.
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
import type { Clock } from "../../mesh/ports/clock.ts";
import { type ErasedCross, writeTrainerErasure } from "../../records/erasure.ts";
import { featureIdOf, type Forgotten } from "../../records/forgotten.ts";
import type { RemovedRows } from "../embedding_shard/protocol.ts";
import type { Erasing } from "./example_batch.ts";
import type { TrainerOptions } from "./options.ts";
import type { Recovery } from "./recovery.ts";
import type { ShardClient } from "./shard_client.ts";

/** Combinations of one cross that are removed at most; hashing them takes some seconds. */
const COMBINATIONS_MAX = 1 << 24;

export interface EraserParts {
  readonly options: Pick<TrainerOptions, "source" | "partition" | "shards" | "userSlots">;
  readonly shards: ShardClient;
  readonly kernel: BatchKernel;
  readonly blobs: BlobStore;
  readonly clock: Clock;
}

/** Rows removed so far, by slot number; undefined where a shard had removed them before. */
type Removed = Map<number, number> | undefined;

export class Eraser {
  readonly #parts: EraserParts;

  constructor(parts: EraserParts) {
    this.#parts = parts;
  }

  /** Removes rows and records that; no batch may be in flight. */
  async erase(
    { forget, offset, after: { sequence } }: Erasing,
    recovery: Recovery,
  ): Promise<void> {
    const { options: { source, partition, userSlots }, blobs, clock } = this.#parts;
    for (const [i, { erasureId, pass, signature }] of forget.entries()) {
      const ids = userSlots.ids.map((slot) => featureIdOf(slot, signature));
      const quarantined = await recovery.erase(ids);
      const isLast = i === forget.length - 1;
      const { removed, crosses } = await this.#removeRows({ signature }, sequence, isLast);
      await writeTrainerErasure(blobs, erasureId, pass, {
        source,
        partition,
        offset,
        sequence,
        atMs: clock.nowMs(),
        ...(removed && { rowsRemoved: sum(userSlots.ids.map((slot) => removed.get(slot) ?? 0)) }),
        crosses,
        quarantined,
      });
    }
  }

  async #removeRows(
    { signature }: Pick<Forgotten, "signature">,
    sequence: number,
    isLast: boolean,
  ): Promise<{ readonly removed: Removed; readonly crosses: readonly ErasedCross[] }> {
    const { shards, options: { userSlots } } = this.#parts;
    const { ids, crosses } = userSlots;
    const partners = partnersOf(userSlots);
    const listed = partners.length === 0 ? [] : await shards.listIds(partners);
    const idsOf = (slot: number): FeatureIds =>
      ids.includes(slot) ? BigUint64Array.of(featureIdOf(slot, signature)) : ofSlot(listed, slot);
    let removed: Removed = new Map();
    const remove = async (some: FeatureIds, isLast: boolean): Promise<void> => {
      removed = added(removed, await this.#remove(some, sequence, isLast));
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

  #remove(ids: FeatureIds, sequence: number, isLast: boolean): Promise<RemovedRows[]> {
    const { shards, kernel, options } = this.#parts;
    return shards.removeRows(kernel.unique(ids, options.shards.length), { sequence, isLast });
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

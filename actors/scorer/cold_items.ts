/**
 * An item is cold while none of its own features has a learned row: its score then rests on the
 * user and the context.
 */
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import {
  type FeatureSchema,
  readsKeptOfItem,
  type SlotDefinition,
} from "../../kernels/features/schema.ts";
import { present } from "../../structures/invariant.ts";

/**
 * Columns of the slots that are made from the item alone, neither from the request nor from numbers
 * that the server keeps.
 */
export function itemColumns(schema: FeatureSchema): number[] {
  const byName = new Map(schema.slots.map((slot) => [slot.name, slot]));
  const ofItem = (slot: SlotDefinition): boolean => {
    switch (slot.kind) {
      case "time":
        return false;
      case "cross":
        return slot.of.every((name) => ofItem(present(byName.get(name), "a cross names slots")));
      default:
        return slot.source === "item" && !readsKeptOfItem(slot, schema);
    }
  };
  return schema.slots.flatMap((slot, column) => ofItem(slot) ? [column] : []);
}

/** Feature ids of a batch, looked up. */
export interface LookedUpBatch {
  readonly batch: FeatureBatch;
  readonly slots: number;
  /** 1 for a distinct id that has a row, `[unique]`. */
  readonly found: Uint8Array;
  /** Index of each id among the distinct ids, `[ids]`. */
  readonly inverse: Uint32Array;
}

/** Whether the item of a row is cold. @param columns Of {@link itemColumns}. */
export function isCold(
  { batch: { listOffsets }, slots, found, inverse }: LookedUpBatch,
  row: number,
  columns: readonly number[],
): boolean {
  for (const column of columns) {
    const end = listOffsets[row * slots + column + 1];
    for (let id = listOffsets[row * slots + column]; id < end; id++) {
      if (found[inverse[id]] === 1) return false;
    }
  }
  return true;
}

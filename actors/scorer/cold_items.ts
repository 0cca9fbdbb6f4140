/**
 * An item is cold while none of its own features has a learned row: its score then rests on the user and the context.
 */
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { FeatureSchema, SlotDefinition } from "../../kernels/features/schema.ts";

/** Columns made from the item alone. */
export function itemColumns(schema: FeatureSchema): number[] {
  const byName = new Map(schema.slots.map((slot) => [slot.name, slot]));
  const ofItem = (slot: SlotDefinition): boolean => {
    switch (slot.kind) {
      case "time":
        return false;
      case "cross":
        return slot.of.every((name) => ofItem(byName.get(name)!));
      default:
        return slot.source === "item";
    }
  };
  return schema.slots.flatMap((slot, column) => ofItem(slot) ? [column] : []);
}

/**
 * Whether row `row` is cold.
 *
 * @param found 1 where a distinct id has a row, `[unique]`.
 * @param inverse Position of each id among the distinct ones, `[nnz]`.
 */
export function isCold(
  batch: FeatureBatch,
  row: number,
  slots: number,
  columns: readonly number[],
  found: Uint8Array,
  inverse: Uint32Array,
): boolean {
  for (const column of columns) {
    const end = batch.listOffsets[row * slots + column + 1];
    for (let id = batch.listOffsets[row * slots + column]; id < end; id++) {
      if (found[inverse[id]] === 1) return false;
    }
  }
  return true;
}

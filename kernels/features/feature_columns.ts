/**
 * A schema's columns sorted by whose values they hold, so that the extractor does the work of a request once, that
 * of an item once per version, and only the rest for each row.
 */
import type {
  CrossSlot,
  DenseDefinition,
  FeatureSchema,
  FeatureSource,
  SlotDefinition,
  TimeSlot,
} from "./schema.ts";

export type AttributeSlot = Exclude<SlotDefinition, CrossSlot | TimeSlot>;

export interface BaseColumn<S extends AttributeSlot | TimeSlot> {
  readonly column: number;
  readonly slot: S;
}

export interface CrossColumn {
  readonly column: number;
  readonly slot: CrossSlot;
  /** Columns of its parts. */
  readonly parts: readonly number[];
}

export interface DenseColumn {
  readonly column: number;
  readonly definition: DenseDefinition;
}

export class FeatureColumns {
  /** The same in each row of a request. */
  readonly sharedBase: readonly BaseColumn<AttributeSlot | TimeSlot>[];
  readonly sharedCrosses: readonly CrossColumn[];
  readonly sharedDense: readonly DenseColumn[];
  /** What an item has by itself. */
  readonly itemBase: readonly BaseColumn<AttributeSlot>[];
  readonly itemCrosses: readonly CrossColumn[];
  readonly itemDense: readonly DenseColumn[];
  /** Crosses between an item's values and the request's. */
  readonly mixedCrosses: readonly CrossColumn[];
  /** Crosses that a row needs whose item is not cached: {@link itemCrosses}, then {@link mixedCrosses}. */
  readonly freshCrosses: readonly CrossColumn[];
  /** An attribute of the user is read. */
  readonly readsUsers: boolean;
  /** Parts of the widest cross. */
  readonly crossPartsMax: number;
  /** All columns of an item alone, base first, then crosses: the order in a cached item. */
  readonly itemColumns: readonly number[];

  constructor(schema: FeatureSchema) {
    const sharedBase: BaseColumn<AttributeSlot | TimeSlot>[] = [];
    const itemBase: BaseColumn<AttributeSlot>[] = [];
    const crosses: CrossColumn[] = [];
    const columnOf = new Map(schema.slots.map((slot, column) => [slot.name, column]));
    schema.slots.forEach((slot, column) => {
      if (slot.kind === "cross") {
        crosses.push({ column, slot, parts: slot.of.map((name) => columnOf.get(name)!) });
      } else if (slot.kind !== "time" && slot.source === "item") itemBase.push({ column, slot });
      else sharedBase.push({ column, slot });
    });
    const itemParts = ({ parts }: CrossColumn) =>
      parts.filter((part) => sourceOf(schema.slots[part]) === "item").length;
    const dense = schema.dense.map((definition, column) => ({ column, definition }));
    const ofItem = ({ definition }: DenseColumn) => definition.source === "item";

    this.sharedBase = sharedBase;
    this.itemBase = itemBase;
    this.sharedCrosses = crosses.filter((cross) => itemParts(cross) === 0);
    this.itemCrosses = crosses.filter((cross) => itemParts(cross) === cross.parts.length);
    this.mixedCrosses = crosses.filter((cross) =>
      itemParts(cross) > 0 && itemParts(cross) < cross.parts.length
    );
    this.freshCrosses = [...this.itemCrosses, ...this.mixedCrosses];
    this.readsUsers = schema.dense.some(({ source }) => source === "user") ||
      sharedBase.some(({ slot }) =>
        slot.kind !== "time" && slot.kind !== "id" && slot.source === "user"
      );
    this.crossPartsMax = Math.max(0, ...crosses.map(({ parts }) => parts.length));
    this.sharedDense = dense.filter((column) => !ofItem(column));
    this.itemDense = dense.filter(ofItem);
    this.itemColumns = [...itemBase, ...this.itemCrosses].map(({ column }) => column);
  }
}

/** Time is the request's own, as the context is. */
function sourceOf(slot: SlotDefinition): FeatureSource {
  return slot.kind === "time" || slot.kind === "cross" ? "context" : slot.source;
}

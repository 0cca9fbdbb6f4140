/**
 * A schema's columns by the source of their values. Shared columns are computed once a request,
 * item columns once per version of the item, and only the crosses between both for each row.
 */
import { present } from "../../structures/invariant.ts";
import {
  type CrossSlot,
  type DenseDefinition,
  type FeatureSchema,
  type FeatureSource,
  type NumericSlot,
  readsKeptOfItem,
  type SlotDefinition,
  type TimeSlot,
} from "./schema.ts";

/** A slot that reads one attribute or id. */
export type AttributeSlot = Exclude<SlotDefinition, CrossSlot | TimeSlot>;

/** A base column: one that is not a cross. */
export interface BaseColumn<S extends AttributeSlot | TimeSlot> {
  readonly column: number;
  readonly slot: S;
}

/** A column of combinations of other columns. */
export interface CrossColumn {
  readonly column: number;
  readonly slot: CrossSlot;
  /** Columns that are combined. */
  readonly parts: readonly number[];
}

/** A column of dense values. */
export interface DenseColumn {
  readonly column: number;
  readonly definition: DenseDefinition;
}

/** A column of buckets of a number that the server keeps of items. */
export interface KeptColumn extends BaseColumn<NumericSlot> {
  /** Index of the number in `FeatureSchema.keptOfItems`. */
  readonly keptIndex: number;
}

/** A column of dense values of a number that the server keeps of items. */
export interface KeptDenseColumn extends DenseColumn {
  /** Index of the number in `FeatureSchema.keptOfItems`. */
  readonly keptIndex: number;
}

/** The columns of one schema. */
export class FeatureColumns {
  /** Columns with the same values in each row of a request. */
  readonly sharedBase: readonly BaseColumn<AttributeSlot | TimeSlot>[];
  readonly sharedCrosses: readonly CrossColumn[];
  readonly sharedDense: readonly DenseColumn[];
  /** {@link sharedBase}, then {@link sharedCrosses}. */
  readonly sharedSlots: readonly number[];
  /** Columns that depend on the item alone. */
  readonly itemBase: readonly BaseColumn<AttributeSlot>[];
  readonly itemCrosses: readonly CrossColumn[];
  readonly itemDense: readonly DenseColumn[];
  /** Columns that depend on the item and the moment. */
  readonly keptBase: readonly KeptColumn[];
  readonly keptDense: readonly KeptDenseColumn[];
  /** Crosses between an item's values and the request's. */
  readonly mixedCrosses: readonly CrossColumn[];
  /**
   * {@link itemCrosses}, then {@link mixedCrosses}: the crosses of a row whose item is not cached.
   */
  readonly uncachedCrosses: readonly CrossColumn[];
  /** Whether an attribute of the user is read. */
  readonly readsUsers: boolean;
  /** Whether a stored attribute of an item is read. */
  readonly readsItems: boolean;
  /** Parts of the widest cross. */
  readonly crossPartsMax: number;
  /** {@link itemBase}, then {@link itemCrosses}: the columns of a cached item, in its order. */
  readonly itemColumns: readonly number[];

  constructor(schema: FeatureSchema) {
    const sharedBase: BaseColumn<AttributeSlot | TimeSlot>[] = [];
    const itemBase: BaseColumn<AttributeSlot>[] = [];
    const keptBase: KeptColumn[] = [];
    const { keptOfItems = [] } = schema;
    const crosses: CrossColumn[] = [];
    const columnOf = new Map(schema.slots.map((slot, column) => [slot.name, column]));
    schema.slots.forEach((slot, column) => {
      if (slot.kind === "cross") {
        const parts = slot.of.map((name) =>
          present(columnOf.get(name), "a cross combines slots of its own schema")
        );
        crosses.push({ column, slot, parts });
      } else if (slot.kind === "numeric" && readsKeptOfItem(slot, schema)) {
        keptBase.push({ column, slot, keptIndex: keptOfItems.indexOf(slot.attribute) });
      } else if (slot.kind !== "time" && slot.source === "item") itemBase.push({ column, slot });
      else sharedBase.push({ column, slot });
    });
    const itemParts = ({ parts }: CrossColumn) =>
      parts.filter((part) => sourceOf(schema.slots[part]) === "item").length;
    const dense = schema.dense.map((definition, column) => ({ column, definition }));
    const ofItem = ({ definition }: DenseColumn) => definition.source === "item";
    const isKept = ({ definition }: DenseColumn) => readsKeptOfItem(definition, schema);

    this.sharedBase = sharedBase;
    this.itemBase = itemBase;
    this.sharedCrosses = crosses.filter((cross) => itemParts(cross) === 0);
    this.sharedSlots = [...sharedBase, ...this.sharedCrosses].map(({ column }) => column);
    this.itemCrosses = crosses.filter((cross) => itemParts(cross) === cross.parts.length);
    this.mixedCrosses = crosses.filter((cross) =>
      itemParts(cross) > 0 && itemParts(cross) < cross.parts.length
    );
    this.uncachedCrosses = [...this.itemCrosses, ...this.mixedCrosses];
    this.readsUsers = schema.dense.some(({ source }) => source === "user") ||
      sharedBase.some(({ slot }) =>
        slot.kind !== "time" && slot.kind !== "id" && slot.source === "user"
      );
    this.crossPartsMax = Math.max(0, ...crosses.map(({ parts }) => parts.length));
    this.sharedDense = dense.filter((column) => !ofItem(column));
    this.itemDense = dense.filter((column) => ofItem(column) && !isKept(column));
    this.readsItems = this.itemDense.length > 0 ||
      itemBase.some(({ slot }) => slot.kind !== "id");
    this.keptBase = keptBase;
    this.keptDense = dense.filter(isKept).map((column) => {
      return { ...column, keptIndex: keptOfItems.indexOf(column.definition.attribute) };
    });
    this.itemColumns = [...itemBase, ...this.itemCrosses].map(({ column }) => column);
  }
}

/** The time belongs to the request, as the context does. */
function sourceOf(slot: SlotDefinition): FeatureSource {
  return slot.kind === "time" || slot.kind === "cross" ? "context" : slot.source;
}

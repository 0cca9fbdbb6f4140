/**
 * The feature schema: one slot per feature column, plus a few dense values.
 *
 * Plain data, made and checked by the configuration. A slot's number is part of every feature id
 * that the slot makes, so it must not change while a table holds such ids. A slot's index in
 * {@link FeatureSchema.slots} is its column in the batch and may change with the model.
 */
import type { Combiner } from "../embedding/options.ts";
import { fnv1a } from "../../structures/fnv1a.ts";

/** The source of a slot's attributes. */
export type FeatureSource = "user" | "item" | "context";

/** Fields of every kind of slot. */
export interface SlotBase {
  /** Unique within the schema. */
  readonly name: string;
  /** 1 to 32,767; the upper bits of its feature ids. */
  readonly number: number;
  /** How the vectors of several values of one row are combined. */
  readonly pooling: Combiner;
}

/** The user's or the item's own id. */
export interface IdSlot extends SlotBase {
  readonly kind: "id";
  readonly source: "user" | "item";
}

/** One value, a string, a number or a boolean, hashed as text. */
export interface CategoricalSlot extends SlotBase {
  readonly kind: "categorical";
  readonly source: FeatureSource;
  readonly attribute: string;
}

/** Several strings. */
export interface ListSlot extends SlotBase {
  readonly kind: "list";
  readonly source: FeatureSource;
  readonly attribute: string;
  /** Values after the first `valuesMax` are left out. */
  readonly valuesMax: number;
}

/** A number, hashed as the number of the bucket that it falls into. */
export interface NumericSlot extends SlotBase {
  readonly kind: "numeric";
  readonly source: FeatureSource;
  readonly attribute: string;
  readonly buckets: NumericBuckets;
}

/**
 * The number of x's bucket:
 * - `log`: sign(x) · floor(perDoubling · log2(1 + |x| / unit)): fine near zero, coarse far away;
 * - `linear`: floor(x / width).
 */
export type NumericBuckets =
  | { readonly kind: "log"; readonly unit: number; readonly perDoubling: number }
  | { readonly kind: "linear"; readonly width: number };

/** Every combination of the values of two or three other slots. */
export interface CrossSlot extends SlotBase {
  readonly kind: "cross";
  /** Names of slots that are not crosses themselves. */
  readonly of: readonly string[];
  /** Combinations after the first `valuesMax` are left out. */
  readonly valuesMax: number;
}

/** A part of the request's own time. */
export interface TimeSlot extends SlotBase {
  readonly kind: "time";
  readonly part: TimePart;
  /** Added to UTC before the part is taken, minutes. */
  readonly utcOffsetMinutes: number;
}

/** 24, 7 (0 = Sunday) or 168 values. */
export type TimePart = "hourOfDay" | "dayOfWeek" | "hourOfWeek";

/** One feature column. */
export type SlotDefinition =
  | IdSlot
  | CategoricalSlot
  | ListSlot
  | NumericSlot
  | CrossSlot
  | TimeSlot;

/** A number that is an input of the model, after scaling; 0 where the attribute is absent. */
export interface DenseDefinition {
  readonly name: string;
  readonly source: FeatureSource;
  readonly attribute: string;
  readonly scaling: Scaling;
}

/**
 * Scaling of a dense value x:
 * - `none`: x, clipped to [-clip, clip];
 * - `log`: sign(x) · ln(1 + |x|);
 * - `standard`: (x - mean) / stddev, clipped to [-clip, clip];
 * - `range`: (x - low) / (high - low), clipped to [0, 1].
 *
 * All are bounded, since one huge input makes the loss of a whole batch infinite.
 */
export type Scaling =
  | { readonly kind: "none"; readonly clip: number }
  | { readonly kind: "log" }
  | {
    readonly kind: "standard";
    readonly mean: number;
    readonly stddev: number;
    readonly clip: number;
  }
  | { readonly kind: "range"; readonly low: number; readonly high: number };

/** All columns, in the order of a batch. */
export interface FeatureSchema {
  /** Column s of a batch is `slots[s]`. */
  readonly slots: readonly SlotDefinition[];
  /** Column d of the dense values is `dense[d]`. */
  readonly dense: readonly DenseDefinition[];
  /** `dense.length`: the row length of {@link FeatureBatch.dense}. */
  readonly denseWidth: number;
  /**
   * Names of the numbers that the server keeps of items. They change with every event, so they are
   * not cached with the item. Absent = none.
   */
  readonly keptOfItems?: readonly string[];
}

/** Whether a slot or dense value reads a number that the server keeps of items. */
export function readsKeptOfItem(
  reader: SlotDefinition | DenseDefinition,
  { keptOfItems = [] }: Pick<FeatureSchema, "keptOfItems">,
): boolean {
  return "attribute" in reader && reader.source === "item" &&
    keptOfItems.includes(reader.attribute);
}

/** Slot numbers have 15 bits, and 0 is not used. */
export const SLOT_NUMBER_MAX = 32_767;

/**
 * The default number of a slot: FNV-1a of the name's UTF-16 units, folded into 1 to 32,767. It
 * depends on the name alone, so adding or moving other slots changes no id.
 */
export function slotNumberOf(name: string): number {
  return 1 + (fnv1a(name) >>> 0) % SLOT_NUMBER_MAX;
}

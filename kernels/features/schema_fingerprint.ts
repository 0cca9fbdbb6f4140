/**
 * The columns that the rows of a record have, with a fingerprint of the meaning of each. Two
 * schemas may have as many columns in another order, or others: their records look alike, and the
 * fingerprint tells them apart.
 */
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { present } from "../../structures/invariant.ts";
import type { ExampleShape, RowShape } from "./feature_batch.ts";
import type { FeatureSchema, NumericBuckets, Scaling, SlotDefinition } from "./schema.ts";

/** The columns of a ranking's rows. */
export interface RowColumns extends RowShape {
  /** 32 bits: another schema has the same ones with a probability of 2^-32. */
  readonly schemaFingerprint: number;
}

/** The columns of labelled examples. */
export interface ExampleColumns extends ExampleShape {
  /** The one of {@link RowColumns}, hashed with the tasks. */
  readonly schemaFingerprint: number;
}

/**
 * The columns of rankings. A column is what its numbers depend on, so that a slot may be renamed
 * under its number, and may have another pooling or another bound of its values.
 *
 * @param firstTask The task whose predictions the rows have.
 */
export function rowColumnsOf(schema: FeatureSchema, firstTask: string): RowColumns {
  const { slots, dense, denseWidth } = schema;
  const columns = [
    slots.map((slot) => slotMeaning(slot, slots)),
    dense.map(({ name, source, attribute, scaling }) => [
      name,
      source,
      attribute,
      scalingMeaning(scaling),
    ]),
    firstTask,
  ];
  return { slots: slots.length, denseWidth, schemaFingerprint: hashOf(columns) };
}

/**
 * The columns of examples.
 *
 * @param rows The columns of the rankings that they are made of.
 * @param tasks Names of the tasks, in the order of the labels.
 */
export function exampleColumnsOf(
  { slots, denseWidth, schemaFingerprint }: RowColumns,
  tasks: readonly string[],
): ExampleColumns {
  return {
    slots,
    denseWidth,
    tasks: tasks.length,
    schemaFingerprint: hashOf([schemaFingerprint, tasks]),
  };
}

function hashOf(meaning: unknown): number {
  return fingerprintOf(JSON.stringify(meaning)).low;
}

/** All that a slot's ids depend on, in an order of its own. */
function slotMeaning(slot: SlotDefinition, slots: readonly SlotDefinition[]): unknown[] {
  const { kind, number } = slot;
  switch (slot.kind) {
    case "id":
      return [number, kind, slot.source];
    case "categorical":
    case "list":
      return [number, kind, slot.source, slot.attribute];
    case "numeric":
      return [number, kind, slot.source, slot.attribute, bucketsMeaning(slot.buckets)];
    case "cross": {
      const numberOf = (name: string) =>
        present(slots.find((each) => each.name === name), "a cross is of slots").number;
      return [number, kind, slot.of.map(numberOf)];
    }
    case "time":
      return [number, kind, slot.part, slot.utcOffsetMinutes];
    default:
      return slot satisfies never;
  }
}

function bucketsMeaning(buckets: NumericBuckets): unknown[] {
  return buckets.kind === "log"
    ? [buckets.kind, buckets.unit, buckets.perDoubling]
    : [buckets.kind, buckets.width];
}

function scalingMeaning(scaling: Scaling): unknown[] {
  switch (scaling.kind) {
    case "none":
      return [scaling.kind, scaling.clip];
    case "log":
      return [scaling.kind];
    case "standard":
      return [scaling.kind, scaling.mean, scaling.stddev, scaling.clip];
    case "range":
      return [scaling.kind, scaling.low, scaling.high];
    default:
      return scaling satisfies never;
  }
}

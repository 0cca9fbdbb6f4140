/**
 * Builds the feature schema from `features`: columns in the file's order, with slot numbers and
 * attribute names.
 */
import {
  type DenseDefinition,
  type FeatureSchema,
  type SlotDefinition,
  slotNumberOf,
} from "../kernels/features/schema.ts";
import type { CairnFile } from "./schema.ts";

export function featureSchemaOf(
  { features, kept }: Pick<CairnFile, "features" | "kept">,
): FeatureSchema {
  const slots: SlotDefinition[] = [];
  const dense: DenseDefinition[] = [];
  for (const [name, definition] of Object.entries(features.slots)) {
    const common = { name, number: slotNumber(name, features.slots), pooling: "sum" as const };
    switch (definition.kind) {
      case "id":
        slots.push({ ...common, kind: "id", source: definition.source });
        break;
      case "time": {
        const { part, utcOffsetMinutes } = definition;
        slots.push({ ...common, kind: "time", part, utcOffsetMinutes });
        break;
      }
      case "cross": {
        const { pooling, of, valuesMax } = definition;
        slots.push({ ...common, kind: "cross", pooling, of, valuesMax });
        break;
      }
      case "categorical": {
        const { source, attribute = name } = definition;
        slots.push({ ...common, kind: "categorical", source, attribute });
        break;
      }
      case "list": {
        const { source, attribute = name, pooling, valuesMax } = definition;
        slots.push({ ...common, kind: "list", source, attribute, pooling, valuesMax });
        break;
      }
      case "numeric": {
        const { source, attribute = name, buckets } = definition;
        if (buckets !== undefined) {
          slots.push({ ...common, kind: "numeric", source, attribute, buckets });
        }
        if (definition.dense !== undefined) {
          dense.push({ name, source, attribute, scaling: definition.dense });
        }
        break;
      }
      default:
        definition satisfies never;
    }
  }
  const keptOfItems = keptOfItemsOf(kept);
  return {
    slots,
    dense,
    denseWidth: dense.length,
    ...(keptOfItems.length > 0 && { keptOfItems }),
  };
}

/**
 * Names of the kept numbers that are attributes of items, in the order in which a keeper gives
 * them: those of items, then those of users by the values of a slot, slot by slot.
 */
export function keptOfItemsOf({ features }: CairnFile["kept"]): string[] {
  const numbers = Object.entries(features).flatMap(([name, feature]) =>
    feature.kind === "history" ? [] : [{ name, by: feature.by, slot: feature.slot }]
  );
  const slots = new Set(numbers.flatMap(({ slot }) => slot ?? []));
  return [
    ...numbers.filter(({ by }) => by === "item"),
    ...[...slots].flatMap((name) => numbers.filter(({ slot }) => slot === name)),
  ].map(({ name }) => name);
}

/** The owner of the attribute that a kept feature becomes. */
export function keptOwnerOf(feature: CairnFile["kept"]["features"][string]): "user" | "item" {
  if (feature.kind === "history") return "user";
  return feature.slot === undefined ? feature.by : "item";
}

/** The slot number in a slot's feature ids: its own, or that of the slot whose ids it shares. */
export function slotNumber(name: string, slots: CairnFile["features"]["slots"]): number {
  const definition = slots[name];
  if (sharesIds(definition)) return slotNumber(definition.idsOf, slots);
  return definition.slot ?? slotNumberOf(name);
}

/**
 * The slot that owns a slot's ids and rows: the slot itself, or the slot that it shares them with.
 */
export function ownerOf(name: string, slots: CairnFile["features"]["slots"]): string {
  const definition = slots[name];
  return sharesIds(definition) ? definition.idsOf : name;
}

/** Whether a slot has a dense value only. */
export function makesNoIds(slot: CairnFile["features"]["slots"][string]): boolean {
  return slot.kind === "numeric" && slot.buckets === undefined;
}

/** Whether a slot shares the ids and rows of another slot. */
export function sharesIds<S extends CairnFile["features"]["slots"][string]>(
  definition: S,
): definition is S & { readonly idsOf: string } {
  return "idsOf" in definition && definition.idsOf !== undefined;
}

/**
 * Checks of kept features: the slots that read them, and attributes of the same name.
 */
import type { Finding } from "../problems.ts";
import type { Sections } from "./check.ts";

/** Slots that read a kept feature as another kind, and declared attributes of its name. */
export function* keptFeatures({ features, attributes, kept }: Sections): Iterable<Finding> {
  if (features === undefined || kept === undefined) return;
  for (const [name, feature] of Object.entries(kept.features)) {
    const owner = feature.kind === "history" ? "user" : feature.by;
    const slotKind = feature.kind === "history" ? "list" : "numeric";
    if (attributes !== undefined && Object.hasOwn(attributes[owner], name)) {
      yield {
        path: ["attributes", owner, name],
        message: "the kept feature of this name has its own type; leave it out here, or rename it",
        atKey: true,
      };
    }
    for (const [slotName, slot] of Object.entries(features.slots)) {
      if (slot.kind !== "categorical" && slot.kind !== "list" && slot.kind !== "numeric") continue;
      if ((slot.attribute ?? slotName) !== name || slot.source !== owner) continue;
      if (slot.kind !== slotKind) {
        yield {
          path: ["features", "slots", slotName, "kind"],
          message: `found "${slot.kind}", but the kept feature "${name}" is ` +
            (slotKind === "list" ? "a list; write kind: list" : "a number; write kind: numeric"),
        };
      }
    }
  }
  for (const [slotName, slot] of Object.entries(features.slots)) {
    if (slot.kind !== "cross") continue;
    for (const [i, part] of slot.of.entries()) {
      const target = Object.hasOwn(features.slots, part) ? features.slots[part] : undefined;
      if (target?.kind !== "numeric" || target.source !== "item") continue;
      const name = target.attribute ?? part;
      if (!Object.hasOwn(kept.features, name)) continue;
      yield {
        path: ["features", "slots", slotName, "of", i],
        message: `"${part}" reads the kept feature "${name}" of items, which cannot be crossed`,
      };
    }
  }
}

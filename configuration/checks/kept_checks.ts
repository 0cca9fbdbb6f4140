/**
 * Checks of kept features: the slots that read them, and attributes of the same name.
 */
import type { Finding } from "../problems.ts";
import { keptOwnerOf } from "../feature_schema.ts";
import { type Sections, unknownName } from "./check.ts";

type Features = NonNullable<Sections["features"]>;
type Kept = NonNullable<Sections["kept"]>["features"][string];

/** Spans and slots that do not suit a kept feature. */
function* keptNumber(name: string, feature: Kept, { slots }: Features): Iterable<Finding> {
  if (feature.kind === "history") return;
  const path = ["kept", "features", name];
  if (feature.kind === "count" || feature.kind === "rate" || feature.kind === "mean") {
    const { window, session, by } = feature;
    if (window === undefined && session === undefined) {
      yield {
        path,
        message: "has no time; add window: 1h, or session: 30m for the user's session",
      };
    }
    if (window !== undefined && session !== undefined) {
      yield { path: [...path, "session"], message: "found beside window; write one of them" };
    }
    if (session !== undefined && by === "item") {
      yield { path: [...path, "session"], message: "sessions are those of users; write by: user" };
    }
  }
  const { slot, by } = feature;
  if (slot === undefined) return;
  if (by === "item") {
    yield {
      path: [...path, "slot"],
      message: "divides the events of a user; write by: user, or leave it out",
    };
    return;
  }
  const isOfItem = (name: string): boolean => {
    const definition = slots[name];
    if (
      definition.kind === "cross" || definition.kind === "time" || definition.kind === "numeric"
    ) {
      return false;
    }
    return definition.source === "item";
  };
  const names = Object.keys(slots).filter(isOfItem);
  if (!names.includes(slot)) yield unknownName([...path, "slot"], slot, "slot of items", names);
}

/** Slots that read a kept feature as another kind, and declared attributes of its name. */
export function* keptFeatures({ features, attributes, kept }: Sections): Iterable<Finding> {
  if (features === undefined || kept === undefined) return;
  for (const [name, feature] of Object.entries(kept.features)) {
    yield* keptNumber(name, feature, features);
    const owner = keptOwnerOf(feature);
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

/**
 * Checks of slots: their number, their numbers, shared ids and crosses.
 */
import type { Finding } from "../problems.ts";
import { makesNoIds, sharesIds } from "../feature_schema.ts";
import type { CairnFile } from "../schema.ts";
import { slotNumberOf } from "../../kernels/features/schema.ts";
import { type Sections, unknownName } from "./check.ts";

const SLOTS_MAX = 256;

type Slots = CairnFile["features"]["slots"];

/** Slots that have no features, equal numbers or wrong ids. */
export function* slots({ features }: Sections): Iterable<Finding> {
  if (features === undefined) return;
  const names = Object.keys(features.slots);
  if (names.length === 0 || names.length > SLOTS_MAX) {
    yield {
      path: ["features", "slots"],
      message: `found ${names.length} slots, expected 1 to ${SLOTS_MAX}`,
    };
  }
  const nameByNumber = new Map<number, string>();
  for (const [name, slot] of Object.entries(features.slots)) {
    const path = ["features", "slots", name];
    if (sharesIds(slot)) {
      yield* sharedIds(name, slot, features.slots);
      continue;
    }
    const number = slot.slot ?? slotNumberOf(name);
    const other = nameByNumber.get(number);
    if (other !== undefined) {
      yield {
        path,
        message:
          `has the slot number ${number}, as "${other}" has; set \`slot:\` of one of them to another number`,
        atKey: true,
      };
    }
    nameByNumber.set(number, name);
    if (slot.kind === "numeric") {
      if (slot.buckets === undefined && slot.dense === undefined) {
        yield {
          path,
          message: "makes no feature; write buckets: { kind: log }, dense: { kind: log }, or both",
          atKey: true,
        };
      }
      if (slot.dense?.kind === "range" && slot.dense.low >= slot.dense.high) {
        yield {
          path: [...path, "dense", "high"],
          message: `found ${slot.dense.high}, expected a number above low (${slot.dense.low})`,
        };
      }
    }
  }
  if (names.length > 0 && Object.values(features.slots).every(makesNoIds)) {
    yield {
      path: ["features", "slots"],
      message: "no slot makes feature ids; add one of kind id, categorical, list, time, " +
        "or numeric with buckets",
      atKey: true,
    };
  }
}

function* sharedIds(
  name: string,
  { idsOf, slot }: { readonly idsOf: string; readonly slot?: number | undefined },
  slots: Slots,
): Iterable<Finding> {
  const path = ["features", "slots", name];
  const owner = Object.hasOwn(slots, idsOf) ? slots[idsOf] : undefined;
  if (owner === undefined || idsOf === name) {
    const others = Object.keys(slots).filter((other) => other !== name && !sharesIds(slots[other]));
    yield unknownName([...path, "idsOf"], idsOf, "other slot", others);
  } else if (sharesIds(owner)) {
    yield {
      path: [...path, "idsOf"],
      message: `"${idsOf}" itself shares the ids of "${owner.idsOf}"; write ${owner.idsOf}`,
    };
  } else if (owner.kind === "cross" || makesNoIds(owner)) {
    yield {
      path: [...path, "idsOf"],
      message:
        `"${idsOf}" has no ids of single values; name a slot of kind id, categorical or list`,
    };
  }
  if (slot !== undefined) {
    yield { path: [...path, "slot"], message: `it shares the number of "${idsOf}"; leave it out` };
  }
}

/** Crosses of slots that cannot be crossed. */
export function* crosses({ features }: Sections): Iterable<Finding> {
  if (features === undefined) return;
  for (const [name, slot] of Object.entries(features.slots)) {
    if (slot.kind !== "cross") continue;
    for (const [i, part] of slot.of.entries()) {
      const path = ["features", "slots", name, "of", i];
      const target = Object.hasOwn(features.slots, part) ? features.slots[part] : undefined;
      if (target === undefined) {
        const others = Object.keys(features.slots).filter((other) =>
          features.slots[other].kind !== "cross"
        );
        yield unknownName(path, part, "slot", others);
      } else if (target.kind === "cross") {
        yield { path, message: `"${part}" is a cross itself; name the slots that it combines` };
      } else if (makesNoIds(target)) {
        yield { path, message: `"${part}" has only a dense value; give it buckets to cross it` };
      } else if (slot.of.indexOf(part) < i) {
        yield { path, message: `duplicate slot "${part}"; name each slot once` };
      }
    }
  }
}

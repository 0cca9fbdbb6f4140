/**
 * Groups slots into classes: slots whose rows have the same widths and, per slice, the same kind of
 * optimizer. Each class has its own table.
 */
import type { ClassOptions } from "../kernels/embedding/class_tables.ts";
import type {
  SliceOptions,
  SlotOptions,
  SparseOptimizerOptions,
} from "../kernels/embedding/options.ts";
import type { RowLayout } from "../kernels/embedding/row_classes.ts";
import { makesNoIds, ownerOf, sharesIds, slotNumber } from "./feature_schema.ts";
import type { CairnFile } from "./schema.ts";
import { slicesOf } from "./slices.ts";
import { withoutUndefined } from "./without_undefined.ts";

type File = Pick<CairnFile, "features" | "model" | "embeddings">;

/**
 * Width of a slot's embeddings: that of the slot that owns its rows, by default the model's; 0 =
 * none.
 */
export function embeddingDimOf(
  name: string,
  { features, model }: Pick<File, "features" | "model">,
) {
  if (!("embeddingDim" in model)) return 0;
  const owner = features.slots[ownerOf(name, features.slots)];
  return owner.embeddingDim ?? model.embeddingDim;
}

/** The options of the classes' tables, in the order of the classes' first slots. */
export function rowClassesOf(file: File): ClassOptions[] {
  return [...slotsByClass(file).values()].map(({ slices, names }) => ({
    slices,
    slots: names.map((name) => slotOptions(name, file)),
  }));
}

/**
 * Whether a slot has a row wherever each of its occurrences with another slot has one: it is
 * admitted as early and expires as late. Both are named by their numbers.
 */
export function outlivesOf(
  classes: readonly ClassOptions[],
): (slot: number, other: number) => boolean {
  const options = new Map(
    classes.flatMap(({ slots }) => slots.map((slot) => [slot.number, slot] as const)),
  );
  return (slot, other) => {
    const [own, its] = [options.get(slot), options.get(other)];
    if (own === undefined || its === undefined) return false;
    const isAdmitted = thresholdOf(own.admission) <= thresholdOf(its.admission);
    return isAdmitted && (own.expirySeconds ?? Infinity) >= (its.expirySeconds ?? Infinity);
  };
}

/** Occurrences before a row; infinite where chance decides. */
function thresholdOf(admission: SlotOptions["admission"]): number {
  switch (admission.kind) {
    case "threshold":
      return admission.threshold;
    case "probability":
      return Infinity;
    default:
      return 0;
  }
}

/**
 * The layout of rows, for their readers.
 *
 * @param columns The slots' names in the order of a batch.
 */
export function rowLayoutOf(file: File, columns: readonly string[]): RowLayout {
  const classes = [...slotsByClass(file).values()];
  return {
    classes: classes.map(({ slices, names }) => ({
      slots: names.map((name) => slotNumber(name, file.features.slots)),
      slices: slices.map(({ name, dim }) => ({ name, dim })),
    })),
    classByColumn: columns.map((column) => {
      const owner = ownerOf(column, file.features.slots);
      return classes.findIndex(({ names }) => names.includes(owner));
    }),
  };
}

function slotsByClass(file: File) {
  const classes = new Map<string, { slices: SliceOptions[]; names: string[] }>();
  const { slots } = file.features;
  for (const name of Object.keys(slots)) {
    if (sharesIds(slots[name]) || makesNoIds(slots[name])) continue;
    const slices = rowSlices(name, file);
    const key = slices.map(({ name, dim, optimizer }) => `${name}:${dim}:${kindOf(optimizer)}`)
      .join(" ");
    const known = classes.get(key);
    if (known === undefined) classes.set(key, { slices, names: [name] });
    else known.names.push(name);
  }
  return classes;
}

/**
 * The slices of a slot's rows, with their class's options: the file's defaults, unless the kind of
 * optimizer differs.
 */
function rowSlices(name: string, file: File): SliceOptions[] {
  const { model, embeddings } = file;
  const defaults = overridesOf(embeddings.slices);
  const own = overridesOf(embeddings.slots[name]?.slices ?? {});
  return slicesOf(model)
    .map((slice): SliceOptions => {
      const common = { ...slice, ...defaults[slice.name] };
      const optimizer = own[slice.name]?.optimizer ?? common.optimizer;
      const dim = slice.name === "embeddings" ? embeddingDimOf(name, file) : slice.dim;
      const sameKind = kindOf(optimizer) === kindOf(common.optimizer);
      return { ...common, dim, optimizer: sameKind ? common.optimizer : optimizer };
    })
    .filter(({ dim }) => dim > 0);
}

/** Identifies the state of an optimizer in a row: equal kinds have equal state. */
function kindOf(optimizer: SparseOptimizerOptions): string {
  return optimizer.kind === "adam" && optimizer.amsgrad ? "amsgrad" : optimizer.kind;
}

function slotOptions(name: string, { features, embeddings }: File): SlotOptions {
  const special = embeddings.slots[name];
  const expiryMs = special?.expiry ?? embeddings.expiry;
  return {
    number: slotNumber(name, features.slots),
    admission: special?.admission ?? embeddings.admission,
    ...(expiryMs === undefined ? {} : { expirySeconds: expiryMs / 1000 }),
    ...(special === undefined ? {} : { slices: overridesOf(special.slices) }),
  };
}

type Rules = Pick<SliceOptions, "initializer" | "optimizer" | "learningRateSchedule">;
type Overrides = Record<string, Partial<Rules>>;

/** The overrides without undefined keys, which would hide defaults when spread. */
export function overridesOf(slices: CairnFile["embeddings"]["slices"]): Overrides {
  return Object.fromEntries(
    Object.entries(slices).map((
      [name, { initializer, optimizer, learningRateSchedule }],
    ) => [name, {
      ...(initializer === undefined ? {} : { initializer }),
      ...(optimizer === undefined ? {} : { optimizer: withoutUndefined(optimizer) }),
      ...(learningRateSchedule === undefined
        ? {}
        : { learningRateSchedule: withoutUndefined(learningRateSchedule) }),
    }]),
  );
}

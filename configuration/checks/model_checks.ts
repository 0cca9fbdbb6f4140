/**
 * Checks of the dense model against the slots: attention, embedding widths and size.
 */
import type { Finding } from "../problems.ts";
import { makesNoIds, sharesIds } from "../feature_schema.ts";
import { slicesOf } from "../slices.ts";
import { type Sections, unknownName } from "./check.ts";

const DENSE_WEIGHTS_MAX = 256_000_000;

/**
 * Maximum of the rows of a batch whose lists are compared: the matrix of row by row takes 4 bytes ×
 * the square of it, 64 MiB, and is multiplied twice for each task.
 */
const LIST_ROWS_MAX = 4_096;

/** Models with dot products between slots. */
const multipliesSlots: ReadonlySet<string> = new Set(["factorizationMachine", "deepFm", "dlrm"]);

/** Attention over slots that are not lists, or with itself as candidate. */
export function* attention({ features, model }: Sections): Iterable<Finding> {
  if (features === undefined || model === undefined || !("attention" in model)) return;
  const withIds = Object.keys(features.slots).filter((name) => !makesNoIds(features.slots[name]));
  for (const [i, { slot, candidate }] of model.attention.entries()) {
    const path = ["model", "attention", i];
    const lists = withIds.filter((name) => features.slots[name].kind === "list");
    if (!lists.includes(slot)) {
      yield unknownName([...path, "slot"], slot, "slot of kind list", lists);
    } else if (model.attention.findIndex((other) => other.slot === slot) < i) {
      yield { path: [...path, "slot"], message: `duplicate attention over "${slot}"; keep one` };
    }
    if (!withIds.includes(candidate)) {
      yield unknownName([...path, "candidate"], candidate, "slot with ids", withIds);
    } else if (candidate === slot) {
      yield {
        path: [...path, "candidate"],
        message: `"${slot}" cannot be its own candidate; name another slot`,
      };
    }
  }
}

/** Widths of the slots' embeddings that the model does not accept. */
export function* embeddingDims({ features, model, embeddings }: Sections): Iterable<Finding> {
  if (features === undefined || model === undefined) return;
  const path = (name: string) => ["features", "slots", name, "embeddingDim"];
  for (const [name, slot] of Object.entries(features.slots)) {
    const { embeddingDim: dim } = slot;
    if (dim === undefined) continue;
    const reason = !("embeddingDim" in model)
      ? `${model.kind} has no embeddings; leave it out, or choose another model`
      : sharesIds(slot)
      ? `it shares the rows of "${slot.idsOf}"; set it there`
      : makesNoIds(slot)
      ? "the slot has only a dense value and no embeddings; leave it out, or give the slot buckets"
      : dim === 0 && !slicesOf(model).some((slice) => slice.name === "first_order")
      ? `found 0, and ${model.kind} has no first-order weights: the slot would have no weights at all; ` +
        "write 1 or more, or remove the slot"
      : dim !== 0 && dim !== model.embeddingDim && multipliesSlots.has(model.kind)
      ? `found ${dim}, and ${model.kind} multiplies embeddings of different slots, so all need the model's ` +
        `embeddingDim (${model.embeddingDim}) or 0; leave it out, or choose a model that only concatenates them: ` +
        "wideAndDeep, dcnV2, finalNet or mmoe"
      : undefined;
    if (reason !== undefined) yield { path: path(name), message: reason };
    const rules = embeddings?.slots[name]?.slices;
    if (dim === 0 && rules !== undefined && Object.hasOwn(rules, "embeddings")) {
      yield {
        path: ["embeddings", "slots", name, "slices", "embeddings"],
        message:
          "the slot's embeddingDim is 0, so these settings have no effect; remove one of the two",
        atKey: true,
      };
    }
  }
  if (!("embeddingDim" in model)) return;
  const dimOf = (name: string): number | undefined => {
    const slot = Object.hasOwn(features.slots, name) ? features.slots[name] : undefined;
    if (slot === undefined || makesNoIds(slot)) return undefined;
    const owner = sharesIds(slot)
      ? Object.hasOwn(features.slots, slot.idsOf) ? features.slots[slot.idsOf] : undefined
      : slot;
    return owner && (owner.embeddingDim ?? model.embeddingDim);
  };
  for (const [i, { slot, candidate }] of model.attention.entries()) {
    const [own, other] = [dimOf(slot), dimOf(candidate)];
    if (own === undefined || other === undefined || (own === other && own > 0)) continue;
    yield {
      path: ["model", "attention", i, "candidate"],
      message:
        `"${candidate}" has embeddings of width ${other} and "${slot}" of ${own}, and attention compares ` +
        "them; set the same embeddingDim above 0 for both",
    };
  }
  const dims = Object.keys(features.slots).map(dimOf).filter((dim) => dim !== undefined);
  if (dims.length > 0 && dims.every((dim) => dim === 0)) {
    yield {
      path: ["model", "kind"],
      message: `${model.kind} needs embeddings and every slot has embeddingDim 0; ` +
        "set one of them above 0, or choose logisticRegression",
    };
  }
}

/** Models without the inputs that they need, or too large to be meant. */
export function* modelSize({ features, model }: Sections): Iterable<Finding> {
  if (features === undefined || model === undefined) return;
  // The main tower's weights estimate the model's size well enough to catch a mistake.
  const all = Object.values(features.slots);
  const dense = all.filter((slot) => slot.kind === "numeric" && slot.dense !== undefined).length;
  if (model.kind === "dlrm" && dense === 0) {
    yield {
      path: ["model", "kind"],
      message: "dlrm needs dense values for its bottom tower and no slot has one; give a " +
        "numeric slot dense: { kind: log }, or choose deepFm",
    };
  }
  const layers = "hidden" in model
    ? ["hidden", model.hidden] as const
    : "top" in model
    ? ["top", model.top] as const
    : "expertHidden" in model
    ? ["expertHidden", model.expertHidden] as const
    : undefined;
  if (layers === undefined || !("embeddingDim" in model)) return;
  const [key, units] = layers;
  const inputs = all.filter((slot) => !makesNoIds(slot))
    .reduce((sum, { embeddingDim }) => sum + (embeddingDim ?? model.embeddingDim), dense);
  const weights = units.reduce(
    (sum, width, i) => sum + width * (i === 0 ? inputs : units[i - 1]),
    0,
  ) * (model.kind === "mmoe" ? model.experts : 1);
  if (weights > DENSE_WEIGHTS_MAX) {
    yield {
      path: ["model", key],
      message: `[${units.join(", ")}] over ${inputs} inputs makes ` +
        `${weights.toLocaleString("en")} dense weights, more than the limit of ` +
        `${DENSE_WEIGHTS_MAX.toLocaleString("en")}; lower ${key} or embeddingDim`,
    };
  }
}

/** A list loss over batches whose matrix of row by row is too large. */
export function* listLoss({ model, trainer }: Sections): Iterable<Finding> {
  if (model?.listLoss === undefined || trainer === undefined) return;
  const { batchRows } = trainer;
  if (batchRows <= LIST_ROWS_MAX) return;
  yield {
    path: ["trainer", "batchRows"],
    message: `found ${batchRows}, expected ${LIST_ROWS_MAX} or less with model.listLoss, which ` +
      "compares each row of a batch with each other; lower this value, or remove listLoss",
  };
}

/**
 * The table slices that models read, and the widths that a slot's vector may have.
 */
import type { SparseInput } from "./model.ts";
import { ModelOptionsError, type ModelSizes } from "./options.ts";

export interface EmbeddingOptions {
  readonly embeddingDim: number;
  readonly slotDims?: readonly number[];
}

/** A weight for each slot's value, as in a linear model. */
export function firstOrder({ slots }: ModelSizes): SparseInput {
  return { slice: "first_order", dims: Array.from({ length: slots }, () => 1) };
}

/**
 * A vector for each slot's value.
 *
 * @throws {ModelOptionsError} When widths are given for another number of slots, or no slot has any.
 */
export function embeddings(
  { embeddingDim, slotDims }: EmbeddingOptions,
  { slots }: ModelSizes,
): SparseInput {
  const dims = slotDims ?? Array.from({ length: slots }, () => embeddingDim);
  if (dims.length !== slots) {
    throw new ModelOptionsError(
      `The model has ${slots} slots and widths for ${dims.length}; give one width for each.`,
    );
  }
  if (dims.every((dim) => dim === 0)) {
    throw new ModelOptionsError("No slot has an embedding; give one of them a width above 0.");
  }
  return { slice: "embeddings", dims };
}

/** Floats of one example: the sum of the slots' widths. */
export function widthOf({ dims }: SparseInput): number {
  return dims.reduce((sum, dim) => sum + dim, 0);
}

/**
 * What models with dot products ask of the widths.
 *
 * @throws {ModelOptionsError} When a slot's vector cannot be multiplied with another's.
 */
export function checkEqualWidths(kind: string, { embeddingDim, slotDims = [] }: EmbeddingOptions) {
  const slot = slotDims.findIndex((dim) => dim !== 0 && dim !== embeddingDim);
  if (slot < 0) return;
  throw new ModelOptionsError(
    `${kind} multiplies embeddings of different slots: slot ${slot} has width ${
      slotDims[slot]
    } and needs ` +
      `${embeddingDim}, or 0; or choose a model that only joins them, such as dcnV2.`,
  );
}

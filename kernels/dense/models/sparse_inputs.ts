/**
 * The table slices that models read, and the widths of the slots' vectors.
 */
import type { SparseInput } from "./model.ts";
import { ModelOptionsError, type ModelSizes } from "./options.ts";

export interface EmbeddingOptions {
  readonly embeddingDim: number;
  readonly slotDims?: readonly number[];
}

/** One weight per feature id, as in a linear model. */
export function firstOrder({ slots }: ModelSizes): SparseInput {
  return { slice: "first_order", dims: Array.from({ length: slots }, () => 1) };
}

/**
 * One embedding per feature id.
 *
 * @throws {ModelOptionsError} When there is not one width per slot, or all widths are 0.
 */
export function embeddings(
  { embeddingDim, slotDims }: EmbeddingOptions,
  { slots }: ModelSizes,
): SparseInput {
  const dims = slotDims ?? Array.from({ length: slots }, () => embeddingDim);
  if (dims.length !== slots) {
    throw new ModelOptionsError(
      `The model has ${slots} slots and ${dims.length} widths; give one width per slot.`,
    );
  }
  if (dims.every((dim) => dim === 0)) {
    throw new ModelOptionsError("No slot has an embedding; give one of them a width above 0.");
  }
  return { slice: "embeddings", dims };
}

/** Floats per example: the sum of the slots' widths. */
export function pooledWidth({ dims }: SparseInput): number {
  return dims.reduce((sum, dim) => sum + dim, 0);
}

/**
 * Checks that the slots' vectors have one width or none, as models with dot products need.
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
      `${embeddingDim}, or 0; or choose a model that only concatenates them, such as dcnV2.`,
  );
}

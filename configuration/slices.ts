/**
 * The slices of the model's rows, with default initializers and optimizers.
 */
import type { SliceOptions } from "../kernels/embedding/options.ts";
import { sparseInputsOf } from "./model_options.ts";
import type { ModelSection } from "./sections/model.ts";

/**
 * Adagrad with a small initial accumulator: the first gradients of an id take nearly full steps,
 * later ones smaller steps. Online training has one pass, and most ids are rare (docs/quality.md
 * has the figures).
 */
const defaults: Readonly<Record<string, Pick<SliceOptions, "initializer" | "optimizer">>> = {
  first_order: {
    initializer: { kind: "zeros" },
    optimizer: { kind: "adagrad", learningRate: 0.1, initialAccumulator: 1e-3 },
  },
  embeddings: {
    initializer: { kind: "uniform", low: -0.02, high: 0.02 },
    optimizer: { kind: "adagrad", learningRate: 0.07, initialAccumulator: 1e-5 },
  },
};

/** The slices that the model reads, in the order of a row, with their defaults. */
export function slicesOf(model: ModelSection): SliceOptions[] {
  return sparseInputsOf(model).map(({ slice, dims: [dim] }) => {
    const learning = defaults[slice];
    if (learning === undefined) {
      throw new Error(
        `The slice "${slice}" has no default initializer; give it one in slices.ts.`,
      );
    }
    return { name: slice, dim, ...learning };
  });
}

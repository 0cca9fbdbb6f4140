/**
 * Which parts a row has, given the model, and how each begins and learns unless the file says otherwise.
 */
import type { SegmentOptions } from "../kernels/embedding/options.ts";
import { sparseInputsOf } from "./model_options.ts";
import type { ModelSection } from "./sections/model.ts";

/** First-order weights begin at zero and learn by FTRL, embeddings begin small and learn by Adagrad (as Monolith's do). */
const defaults: Readonly<Record<string, Pick<SegmentOptions, "initializer" | "optimizer">>> = {
  first_order: {
    initializer: { kind: "zeros" },
    optimizer: { kind: "ftrl", learningRate: 0.05, beta: 1, initialAccumulator: 0.1, l1: 0, l2: 0 },
  },
  embeddings: {
    initializer: { kind: "uniform", low: -0.05, high: 0.05 },
    optimizer: { kind: "adagrad", learningRate: 0.05, initialAccumulator: 0.1 },
  },
};

/** The segments that the model asks for, in row order, with their defaults. */
export function segmentsOf(model: ModelSection): SegmentOptions[] {
  return sparseInputsOf(model).map(({ segment, dim }) => {
    const learning = defaults[segment];
    if (learning === undefined) {
      throw new Error(
        `The segment "${segment}" has no default initializer; give it one in segments.ts.`,
      );
    }
    return { name: segment, dim, ...learning };
  });
}

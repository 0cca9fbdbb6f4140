/**
 * Runs a model whose outputs are written directly into arrays of the caller.
 *
 * onnxruntime-node 1.29 lets the runtime write into given arrays, but then copies each of them into
 * a new array: 8 of 10 ms for 30 MB, all garbage. The copying follows the order of the outputs and
 * stops with an error at an output that is not a tensor. Therefore models have an empty sequence as
 * first output: the run is complete before the error, and nothing is copied. This also works with a
 * binding that does not copy, or that converts sequences.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";

/** Name of the first output of models that {@link runInPlace} runs. */
export const SEQUENCE_OUTPUT = "end_of_outputs";

/** The binding's message about an output that it does not convert. */
const REFUSAL = "Non tensor type is temporarily not supported";

/**
 * Runs a model whose first output is {@link SEQUENCE_OUTPUT}; the arrays of `fetches` receive the
 * results.
 */
export async function runInPlace(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
  fetches: Readonly<Record<string, Tensor>>,
): Promise<void> {
  try {
    await session.run(feeds, { [SEQUENCE_OUTPUT]: null, ...fetches });
  } catch (error) {
    if (!(error as Error).message.includes(REFUSAL)) throw error;
  }
}

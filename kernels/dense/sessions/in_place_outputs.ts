/**
 * Results written straight into arrays that the caller keeps.
 *
 * onnxruntime-node 1.29 lets the runtime write into given arrays, and then copies each into a fresh array that nobody
 * asked for: 8 of 10 ms for 30 MB, and all of it garbage. The copying goes through the outputs in the model's order and
 * stops with an error at one that is no tensor, so an empty sequence is put before all others: the run is complete,
 * the copying never begins. A binding that does not copy, or converts sequences, works with this too.
 */
import type { InferenceSession, Tensor } from "onnxruntime-node";

/** The first output of models that are run in place. */
export const SEQUENCE_OUTPUT = "end_of_outputs";

/** The binding's words for an output that it does not convert. */
const REFUSAL = "Non tensor type is temporarily not supported";

/** Runs a model whose first output is {@link SEQUENCE_OUTPUT}; results are in the arrays of `fetches`. */
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

/**
 * List slots that travel entry by entry, because the model pools them by attention.
 */
import { TRAINING_NAMES } from "./training_graph.ts";

/** The entries of a list slot, for attention. */
export interface SequenceBatch {
  /** Embeddings, newest first. Shape `[rows, lengthMax, dim]`. */
  readonly entries: Float32Array<ArrayBuffer>;
  /** 1 where there is an entry, else 0. Shape `[rows, lengthMax]`. */
  readonly present: Float32Array<ArrayBuffer>;
}

/** A batch's sequences under the names of the graph's inputs. */
export function sequenceFeeds(
  sequences: Readonly<Record<string, SequenceBatch>> = {},
): Record<string, Float32Array<ArrayBuffer>> {
  return Object.fromEntries(
    Object.entries(sequences).flatMap(([name, { entries, present }]) => [
      [name, entries] as const,
      [TRAINING_NAMES.presentIn(name), present] as const,
    ]),
  );
}

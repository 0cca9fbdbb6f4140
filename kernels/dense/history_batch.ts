/**
 * List slots that travel entry by entry, because the model pools them by attention.
 */
import { TRAINING_NAMES } from "./training_graph.ts";

/** The entries of a list slot, for attention. */
export interface HistoryBatch {
  /** Embeddings, newest first. Shape `[rows, lengthMax, dim]`. */
  readonly entries: Float32Array<ArrayBuffer>;
  /** 1 where there is an entry, else 0. Shape `[rows, lengthMax]`. */
  readonly present: Float32Array<ArrayBuffer>;
}

/** A batch's histories under the names of the graph's inputs. */
export function historyFeeds(
  histories: Readonly<Record<string, HistoryBatch>> = {},
): Record<string, Float32Array<ArrayBuffer>> {
  return Object.fromEntries(
    Object.entries(histories).flatMap(([name, { entries, present }]) => [
      [name, entries] as const,
      [TRAINING_NAMES.presentIn(name), present] as const,
    ]),
  );
}

/**
 * The arrays of a history: a list slot (a user's recent items) whose entries reach the model one by
 * one, because attention pools them inside the dense model instead of by sum or mean before it.
 */
import { trainingNames } from "./training_graph.ts";

/** One history in a batch: the array form of `HistoryValues`. */
export interface HistoryArrays {
  /** Embeddings, newest entry first. Shape `[rows, lengthMax, dim]`. */
  readonly entries: Float32Array<ArrayBuffer>;
  /** 1 where there is an entry, else 0. Shape `[rows, lengthMax]`. */
  readonly present: Float32Array<ArrayBuffer>;
}

/**
 * A batch's histories as inputs of the graph.
 *
 * @param histories By the names of the model's `historyInputs`.
 */
export function historyFeeds(
  histories: Readonly<Record<string, HistoryArrays>> = {},
): Record<string, Float32Array<ArrayBuffer>> {
  return Object.fromEntries(
    Object.entries(histories).flatMap(([name, { entries, present }]) => [
      [name, entries] as const,
      [trainingNames.presentIn(name), present] as const,
    ]),
  );
}

/**
 * A dataset of interactions that a test made, in one chunk.
 */
import type { ChunkBuilder, Dataset } from "../../offline/datasets/dataset.ts";

/** The dataset of the rows in `chunk`, which can be read once. */
export function datasetOf(chunk: ChunkBuilder): Dataset {
  const made = chunk.take();
  return {
    name: "made",
    action: "seen",
    users: new Map(),
    items: new Map(),
    async *interactions() {
      yield await Promise.resolve(made);
    },
  };
}

/**
 * The entries of the parts of a save in the order of their last records. Within a part entries that
 * were copied come first, so that parts overlap.
 */
import { present } from "../../structures/invariant.ts";
import type { SavedEntry } from "./kept_table.ts";

/** The entries of a part that come next. */
interface Run<S> {
  readonly entries: readonly SavedEntry<S>[];
  at: number;
}

/**
 * Merges sorted parts with a binary heap of their next entries.
 *
 * @param parts Each sorted by the number of the last record.
 */
export function* mergedEntries<S>(
  parts: readonly (readonly SavedEntry<S>[])[],
): Generator<SavedEntry<S>> {
  const heap: Run<S>[] = [];
  for (const entries of parts) {
    if (entries.length === 0) continue;
    heap.push({ entries, at: 0 });
    rise(heap, heap.length - 1);
  }
  while (heap.length > 0) {
    const [run] = heap;
    yield run.entries[run.at++];
    if (run.at === run.entries.length) {
      const last = present(heap.pop(), "a heap with a first run has a last one");
      if (heap.length === 0) return;
      heap[0] = last;
    }
    sink(heap);
  }
}

function nextOf<S>({ entries, at }: Run<S>): number {
  return entries[at][1];
}

function rise<S>(heap: Run<S>[], from: number): void {
  for (let at = from; at > 0;) {
    const parent = (at - 1) >> 1;
    if (nextOf(heap[parent]) <= nextOf(heap[at])) return;
    [heap[parent], heap[at]] = [heap[at], heap[parent]];
    at = parent;
  }
}

function sink<S>(heap: Run<S>[]): void {
  for (let at = 0;;) {
    let least = at;
    for (const child of [2 * at + 1, 2 * at + 2]) {
      if (child < heap.length && nextOf(heap[child]) < nextOf(heap[least])) least = child;
    }
    if (least === at) return;
    [heap[least], heap[at]] = [heap[at], heap[least]];
    at = least;
  }
}

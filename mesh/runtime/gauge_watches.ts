/**
 * The watches of a gauge, by their labels. Those of several actors may have the same labels, as the
 * replicas of a shard have while a change of the number of shards is under way: their values are
 * added.
 */
import type { Labels } from "../ports/telemetry.ts";

type Read = () => number | undefined;

interface Watched {
  readonly labels: Labels;
  /** An object for each watch: two may read by the same function. */
  readonly watches: Set<{ readonly read: Read }>;
}

export class GaugeWatches {
  readonly #watched = new Map<string, Watched>();

  /** @returns Ends the watch; true if it was the last one by its labels. */
  add(read: Read, labels: Labels = {}): () => boolean {
    const key = keyOf(labels);
    const watched = this.#watched.get(key) ?? { labels, watches: new Set() };
    this.#watched.set(key, watched);
    const watch = { read };
    watched.watches.add(watch);
    return () => {
      if (!watched.watches.delete(watch) || watched.watches.size > 0) return false;
      return this.#watched.delete(key);
    };
  }

  /** The present values, by labels; undefined where no watch has one. */
  *read(): Generator<{ readonly labels: Labels; readonly value: number | undefined }> {
    for (const { labels, watches } of this.#watched.values()) {
      yield { labels, value: sumOf(watches) };
    }
  }

  /** The present value by these labels; undefined where no watch has one. */
  valueOf(labels: Labels = {}): number | undefined {
    return sumOf(this.#watched.get(keyOf(labels))?.watches ?? []);
  }
}

function sumOf(watches: Iterable<{ readonly read: Read }>): number | undefined {
  let sum: number | undefined;
  for (const { read } of watches) {
    const value = read();
    if (value !== undefined) sum = (sum ?? 0) + value;
  }
  return sum;
}

function keyOf(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1));
}

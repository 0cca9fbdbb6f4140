/**
 * The impressions whose records a rebuilt window has read, held or not. They number the impressions
 * that are carried over to the next partitioning: a number that depended on which of them are still
 * held would change with the label rules and the time for late labels, between two restarts of the
 * joiner that has it in its position.
 */
export class OfferedImpressions {
  readonly #offsets: number[] = [];
  readonly #openedAtMs: number[] = [];

  /** Adds the next impression in the order of the log: the offset and the data clock ascend. */
  add(offset: number, openedAtMs: number): void {
    this.#offsets.push(offset);
    this.#openedAtMs.push(openedAtMs);
  }

  /** The data clock at each of them, ms, ascending. */
  get openedAtMs(): readonly number[] {
    return this.#openedAtMs;
  }

  /** Impressions before an offset. */
  countBefore(offset: number): number {
    return countWhile(this.#offsets, (each) => each < offset);
  }

  /** Impressions that were opened before a moment, ms. */
  countOpenedBefore(ms: number): number {
    return countWhile(this.#openedAtMs, (each) => each < ms);
  }

  /** Impressions that were opened at a moment or before it, ms. */
  countOpenedUntil(ms: number): number {
    return countWhile(this.#openedAtMs, (each) => each <= ms);
  }
}

/**
 * The number of an impression among those of all partitions, by the time at which they were opened,
 * then by partition, then by offset; from 0.
 *
 * @param partition Index in `all` of the partition that has the impression.
 */
export function numberAmong(
  all: readonly OfferedImpressions[],
  partition: number,
  { offset, openedAtMs }: { readonly offset: number; readonly openedAtMs: number },
): number {
  return all.reduce((before, offered, i) => {
    if (i === partition) return before + offered.countBefore(offset);
    // Impressions of one moment are in the order of their partitions.
    return before +
      (i < partition
        ? offered.countOpenedUntil(openedAtMs)
        : offered.countOpenedBefore(openedAtMs));
  }, 0);
}

/** How many of ascending numbers come before the first one that is not `isBefore`. */
function countWhile(ascending: readonly number[], isBefore: (each: number) => boolean): number {
  let [from, to] = [0, ascending.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isBefore(ascending[middle])) from = middle + 1;
    else to = middle;
  }
  return from;
}

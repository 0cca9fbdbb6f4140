/**
 * A growing array of measurements. All are held, so that percentiles are exact and a report can
 * draw them.
 */
export class Samples {
  #values = new Float64Array(1024);
  #count = 0;

  /** Samples so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds a sample. */
  add(value: number): void {
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count++] = value;
  }

  /** A copy of the samples in insertion order, from index `from` on. */
  values(from = 0): Float64Array<ArrayBuffer> {
    return this.#values.slice(from, this.#count);
  }

  /** A copy of the samples, ascending. */
  sorted(): Float64Array<ArrayBuffer> {
    return this.values().sort();
  }
}

/**
 * The smallest sample that at least `share` of all samples do not exceed (nearest rank).
 *
 * @param sorted Ascending.
 * @returns NaN without samples.
 */
export function percentile(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/**
 * A map from fingerprints to whole numbers, held in a few typed arrays. The garbage collector
 * visits each key of a Map of strings whenever it marks the heap; with some hundred thousand keys
 * that stops the thread for longer than a request may take.
 *
 * It grows incrementally. Moving 80,000 entries at once takes 10 ms; instead a full map gets a
 * second table of twice the size, and each entry that is set moves a few cells of the old table
 * along.
 *
 * @see Redis, dict.c, "incremental rehashing"
 */
import { type CellSecret, cellSecret } from "./cell_secret.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { FingerprintTable } from "./fingerprint_table.ts";
import { invariant } from "./invariant.ts";

const CELLS_MIN = 64;

/**
 * Cells moved with each entry that is set: the old table is empty long before the new one is full.
 */
const CELLS_MOVED_PER_SET = 16;

/**
 * A map from fingerprints to whole numbers.
 *
 * @example
 * ```ts
 * import { fingerprintOf } from "./fingerprint.ts";
 * import { FingerprintMap } from "./fingerprint_map.ts";
 *
 * const offsets = new FingerprintMap();
 * offsets.set(fingerprintOf("ranking-1"), 42);
 * console.assert(offsets.get(fingerprintOf("ranking-1")) === 42);
 * console.assert(offsets.delete(fingerprintOf("ranking-1")));
 * ```
 */
export class FingerprintMap {
  readonly #secret: CellSecret;
  #table: FingerprintTable;
  /** Holds the entries that were not moved yet. */
  #old: FingerprintTable | undefined;
  /** Cells of the old table that were moved. */
  #moved = 0;

  /** @param secret Chooses the cells of keys. Default: the secret of this thread. */
  constructor(secret: CellSecret = cellSecret) {
    this.#secret = secret;
    this.#table = new FingerprintTable(CELLS_MIN, secret);
  }

  /** Entries held. */
  get size(): number {
    return this.#table.size + (this.#old?.size ?? 0);
  }

  /** Whether the map has the key. */
  has(key: Fingerprint): boolean {
    return this.get(key) !== undefined;
  }

  /** The value of the key; undefined where the map has no such key. */
  get(key: Fingerprint): number | undefined {
    return this.#table.get(key) ?? this.#old?.get(key);
  }

  /**
   * Sets the value of a key.
   *
   * @param value From 0 to 2^53 - 2.
   */
  set(key: Fingerprint, value: number): void {
    this.#old?.leaveGap(key);
    this.#table.set(key, value);
    this.#moveSome();
    if (!this.#table.isFull) return;
    invariant(this.#old === undefined, "the old table is empty before the new one is full");
    this.#old = this.#table;
    this.#table = new FingerprintTable(2 * this.#old.cells, this.#secret);
    this.#moved = 0;
  }

  /** Deletes a key; false where there was none. */
  delete(key: Fingerprint): boolean {
    return this.#table.delete(key) || (this.#old?.leaveGap(key) ?? false);
  }

  #moveSome(): void {
    if (this.#old === undefined) return;
    const end = Math.min(this.#moved + CELLS_MOVED_PER_SET, this.#old.cells);
    while (this.#moved < end) this.#old.move(this.#moved++, this.#table);
    if (end === this.#old.cells) this.#old = undefined;
  }
}

/**
 * A hash table of fixed size from fingerprints to whole numbers: open addressing with linear
 * probing over two typed arrays. The cell that a key hashes to is its home; the key lies there or
 * in the cells behind it, up to the first free cell.
 */
import { type CellSecret, cellSecret, cellShift, homeCell } from "./cell_secret.ts";
import type { Fingerprint } from "./fingerprint.ts";
import { invariant } from "./invariant.ts";

/** Content of a cell without an entry. A search ends here. */
const FREE = 0;
/** Content of a cell whose entry was moved to another table. A search goes on behind it. */
const MOVED_AWAY = -1;

/** The table of {@link FingerprintMap}; it never grows. */
export class FingerprintTable {
  readonly cells: number;
  readonly #mask: number;
  readonly #shift: number;
  readonly #secret: CellSecret;
  /** Low and high word of each cell's key. */
  readonly #keys: Uint32Array;
  /** For each cell one more than the value, {@link FREE} or {@link MOVED_AWAY}. */
  readonly #contents: Float64Array;
  #size = 0;

  /**
   * @param cells A power of 2, at least 2.
   * @param secret Chooses the homes of keys. Default: the secret of this thread.
   */
  constructor(cells: number, secret: CellSecret = cellSecret) {
    this.cells = cells;
    this.#mask = cells - 1;
    this.#shift = cellShift(cells);
    this.#secret = secret;
    this.#keys = new Uint32Array(2 * cells);
    this.#contents = new Float64Array(cells);
  }

  /** Entries held. */
  get size(): number {
    return this.#size;
  }

  /** More than five eighths of the cells are taken: probes get long from here on. */
  get isFull(): boolean {
    return 8 * this.#size > 5 * this.cells;
  }

  /** The value of the key; undefined where the table has no such key. */
  get(key: Fingerprint): number | undefined {
    const content = this.#contents[this.#find(key.low, key.high)];
    return content > 0 ? content - 1 : undefined;
  }

  /**
   * Sets the value of a key.
   *
   * @param value From 0 to 2^53 - 2.
   */
  set(key: Fingerprint, value: number): void {
    this.#put(key.low, key.high, value + 1);
  }

  /**
   * Deletes a key; false where there was none. Entries behind it move up, so that no free cell
   * comes to lie between a key and its home.
   *
   * @see Knuth, TAOCP 3, section 6.4, algorithm R
   */
  delete(key: Fingerprint): boolean {
    let hole = this.#find(key.low, key.high);
    if (this.#contents[hole] === FREE) return false;
    for (
      let next = (hole + 1) & this.#mask;
      this.#contents[next] !== FREE;
      next = (next + 1) & this.#mask
    ) {
      const home = this.#homeOf(this.#keys[2 * next], this.#keys[2 * next + 1]);
      if (((next - home) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#keys[2 * hole] = this.#keys[2 * next];
      this.#keys[2 * hole + 1] = this.#keys[2 * next + 1];
      this.#contents[hole] = this.#contents[next];
      hole = next;
    }
    this.#contents[hole] = FREE;
    this.#size--;
    return true;
  }

  /**
   * Deletes a key and leaves all other entries in their cells. The table must take no new keys from
   * then on.
   */
  leaveGap(key: Fingerprint): boolean {
    return this.#clearCell(this.#find(key.low, key.high));
  }

  /** Moves the entry of a cell, if it has one. The table must take no new keys from then on. */
  move(cell: number, to: FingerprintTable): void {
    const content = this.#contents[cell];
    if (this.#clearCell(cell)) to.#put(this.#keys[2 * cell], this.#keys[2 * cell + 1], content);
  }

  #clearCell(cell: number): boolean {
    if (this.#contents[cell] <= FREE) return false;
    this.#contents[cell] = MOVED_AWAY;
    this.#size--;
    return true;
  }

  #put(low: number, high: number, content: number): void {
    const cell = this.#find(low, high);
    if (this.#contents[cell] === FREE) {
      invariant(this.#size < this.#mask, "a table keeps a free cell, at which searches end");
      this.#keys[2 * cell] = low;
      this.#keys[2 * cell + 1] = high;
      this.#size++;
    }
    this.#contents[cell] = content;
  }

  /** The cell that holds the key, that held it until it was moved away, or that would take it. */
  #find(low: number, high: number): number {
    let cell = this.#homeOf(low, high);
    while (
      this.#contents[cell] !== FREE &&
      (this.#keys[2 * cell] !== low || this.#keys[2 * cell + 1] !== high)
    ) cell = (cell + 1) & this.#mask;
    return cell;
  }

  #homeOf(low: number, high: number): number {
    return homeCell(this.#secret, low, high, this.#shift);
  }
}

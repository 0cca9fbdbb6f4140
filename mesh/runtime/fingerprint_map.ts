/**
 * A map from fingerprints to whole numbers, in two arrays however many it holds. A Map of strings costs the garbage
 * collector a visit for each whenever it marks the heap, which for some hundred thousand stops the thread for longer than
 * a request may take.
 *
 * Open addressing with linear probing; entries behind a deleted one move up.
 */
import type { Fingerprint } from "./fingerprint.ts";

const SLOTS_MIN = 64;

export class FingerprintMap {
  #mask = SLOTS_MIN - 1;
  /** Low and high word, slot by slot. */
  #keys = new Uint32Array(2 * SLOTS_MIN);
  /** One more than the value; 0 = the slot is free. */
  #values = new Float64Array(SLOTS_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(key: Fingerprint): boolean {
    return this.#values[this.#slotOf(key)] !== 0;
  }

  get(key: Fingerprint): number | undefined {
    const value = this.#values[this.#slotOf(key)];
    return value === 0 ? undefined : value - 1;
  }

  /** @param value From 0 to 2^53 - 2. */
  set(key: Fingerprint, value: number): void {
    const slot = this.#slotOf(key);
    if (this.#values[slot] === 0) {
      this.#keys[2 * slot] = key.low;
      this.#keys[2 * slot + 1] = key.high;
      this.#size++;
    }
    this.#values[slot] = value + 1;
    if (8 * this.#size > 5 * this.#values.length) this.#grow();
  }

  /** False where there was nothing to delete. */
  delete(key: Fingerprint): boolean {
    let hole = this.#slotOf(key);
    if (this.#values[hole] === 0) return false;
    // No way from a key's home to its slot may lead over a gap (Knuth, TAOCP 3, 6.4 algorithm R).
    for (
      let next = (hole + 1) & this.#mask;
      this.#values[next] !== 0;
      next = (next + 1) & this.#mask
    ) {
      const home = this.#keys[2 * next] & this.#mask;
      if (((next - home) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#move(this.#keys, this.#values, next, hole);
      hole = next;
    }
    this.#values[hole] = 0;
    this.#size--;
    return true;
  }

  /** Where the key is, or would be. */
  #slotOf({ low, high }: Fingerprint): number {
    let slot = low & this.#mask;
    while (
      this.#values[slot] !== 0 &&
      (this.#keys[2 * slot] !== low || this.#keys[2 * slot + 1] !== high)
    ) slot = (slot + 1) & this.#mask;
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#mask = 2 * values.length - 1;
    this.#keys = new Uint32Array(2 * keys.length);
    this.#values = new Float64Array(2 * values.length);
    for (let from = 0; from < values.length; from++) {
      if (values[from] === 0) continue;
      let to = keys[2 * from] & this.#mask;
      while (this.#values[to] !== 0) to = (to + 1) & this.#mask;
      this.#move(keys, values, from, to);
    }
  }

  #move(keys: Uint32Array, values: Float64Array, from: number, to: number): void {
    this.#keys[2 * to] = keys[2 * from];
    this.#keys[2 * to + 1] = keys[2 * from + 1];
    this.#values[to] = values[from];
  }
}

/**
 * A map from fingerprints to whole numbers, in a few arrays however many it holds. A Map of strings costs the garbage
 * collector a visit for each whenever it marks the heap, which for some hundred thousand stops the thread for longer than
 * a request may take.
 *
 * So would growing at once: to move 80,000 entries takes 10 ms. A map that is full gets a table of twice the size beside
 * the one it has, and each entry that is set takes a few along, as Redis does.
 *
 * @see Redis, dict.c, "incremental rehashing"
 */
import type { Fingerprint } from "./fingerprint.ts";

const SLOTS_MIN = 64;

/** Slots that are moved with each entry that is set: the old table is empty long before the new one is full. */
const MOVED_EACH = 16;

export class FingerprintMap {
  #table = new Table(SLOTS_MIN);
  /** Where entries are that were not moved yet. */
  #old: Table | undefined;
  /** Slots of the old table that were moved. */
  #moved = 0;

  get size(): number {
    return this.#table.size + (this.#old?.size ?? 0);
  }

  has(key: Fingerprint): boolean {
    return this.get(key) !== undefined;
  }

  get(key: Fingerprint): number | undefined {
    return this.#table.get(key) ?? this.#old?.get(key);
  }

  /** @param value From 0 to 2^53 - 2. */
  set(key: Fingerprint, value: number): void {
    this.#old?.leaveGap(key);
    this.#table.set(key, value);
    this.#moveSome();
    if (!this.#table.isFull) return;
    this.#old = this.#table;
    this.#table = new Table(2 * this.#old.slots);
    this.#moved = 0;
  }

  /** False where there was nothing to delete. */
  delete(key: Fingerprint): boolean {
    return this.#table.delete(key) || (this.#old?.leaveGap(key) ?? false);
  }

  #moveSome(): void {
    if (this.#old === undefined) return;
    const end = Math.min(this.#moved + MOVED_EACH, this.#old.slots);
    while (this.#moved < end) this.#old.move(this.#moved++, this.#table);
    if (end === this.#old.slots) this.#old = undefined;
  }
}

/** What stands in a slot for a value: none yet, so that a way through the table ends here. */
const FREE = 0;
/** An entry that left a table which takes no new ones: ways lead over it. */
const MOVED_AWAY = -1;

/** Open addressing with linear probing. */
class Table {
  readonly slots: number;
  readonly #mask: number;
  /** Low and high word, slot by slot. */
  readonly #keys: Uint32Array;
  /** One more than the value, {@link FREE} or {@link MOVED_AWAY}. */
  readonly #values: Float64Array;
  #size = 0;

  /** @param slots A power of 2. */
  constructor(slots: number) {
    this.slots = slots;
    this.#mask = slots - 1;
    this.#keys = new Uint32Array(2 * slots);
    this.#values = new Float64Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return 8 * this.#size > 5 * this.slots;
  }

  get(key: Fingerprint): number | undefined {
    const value = this.#values[this.#find(key.low, key.high)];
    return value > 0 ? value - 1 : undefined;
  }

  set(key: Fingerprint, value: number): void {
    this.#put(key.low, key.high, value + 1);
  }

  /** Entries behind it move up, so that no way from a key's home to its slot leads over a gap (Knuth, TAOCP 3, 6.4 R). */
  delete(key: Fingerprint): boolean {
    let hole = this.#find(key.low, key.high);
    if (this.#values[hole] === FREE) return false;
    for (
      let next = (hole + 1) & this.#mask;
      this.#values[next] !== FREE;
      next = (next + 1) & this.#mask
    ) {
      const home = this.#keys[2 * next] & this.#mask;
      if (((next - home) & this.#mask) < ((next - hole) & this.#mask)) continue;
      this.#keys[2 * hole] = this.#keys[2 * next];
      this.#keys[2 * hole + 1] = this.#keys[2 * next + 1];
      this.#values[hole] = this.#values[next];
      hole = next;
    }
    this.#values[hole] = FREE;
    this.#size--;
    return true;
  }

  /** Deletes where entries stay in their slots: from now on the table only loses entries, none by {@link delete}. */
  leaveGap(key: Fingerprint): boolean {
    return this.#moveAway(this.#find(key.low, key.high));
  }

  /** Moves what is in a slot, if anything. */
  move(slot: number, to: Table): void {
    const value = this.#values[slot];
    if (this.#moveAway(slot)) to.#put(this.#keys[2 * slot], this.#keys[2 * slot + 1], value);
  }

  #moveAway(slot: number): boolean {
    if (this.#values[slot] <= FREE) return false;
    this.#values[slot] = MOVED_AWAY;
    this.#size--;
    return true;
  }

  #put(low: number, high: number, entry: number): void {
    const slot = this.#find(low, high);
    if (this.#values[slot] === FREE) {
      this.#keys[2 * slot] = low;
      this.#keys[2 * slot + 1] = high;
      this.#size++;
    }
    this.#values[slot] = entry;
  }

  /** Where the key is, was until it left, or would be. */
  #find(low: number, high: number): number {
    let slot = low & this.#mask;
    while (
      this.#values[slot] !== FREE &&
      (this.#keys[2 * slot] !== low || this.#keys[2 * slot + 1] !== high)
    ) slot = (slot + 1) & this.#mask;
    return slot;
  }
}

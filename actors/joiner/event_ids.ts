/**
 * The ids of the actions on one impression, as fingerprints in one array: a client may send a
 * thousand ids of 256 characters for every ranking, and as strings they would be most of the heap.
 */
import { type Fingerprint, fingerprintOf } from "../../structures/fingerprint.ts";

/** Ids for which there is room at first. */
const CAPACITY_MIN = 4;

export class EventIds {
  /** Two words per id, the lower one first. */
  #words = new Uint32Array(2 * CAPACITY_MIN);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Memory of the ids, bytes: a function of {@link size}. */
  get bytes(): number {
    return this.#words.byteLength;
  }

  /** Adds an id; false if it is there. Two ids are the same with a probability of 2^-60. */
  add(eventId: string): boolean {
    const { low, high } = fingerprintOf(eventId);
    if (this.#has({ low, high })) return false;
    if (2 * this.#size === this.#words.length) {
      const larger = new Uint32Array(2 * this.#words.length);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[2 * this.#size] = low;
    this.#words[2 * this.#size + 1] = high;
    this.#size++;
    return true;
  }

  has(eventId: string): boolean {
    return this.#has(fingerprintOf(eventId));
  }

  /** A scan: `actionsPerImpressionMax` bounds it. */
  #has({ low, high }: Fingerprint): boolean {
    for (let word = 0; word < 2 * this.#size; word += 2) {
      if (this.#words[word] === low && this.#words[word + 1] === high) return true;
    }
    return false;
  }
}

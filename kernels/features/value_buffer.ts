/**
 * The values of one request as UTF-8 bytes, gathered in buffers that live as long as the extractor, so that a
 * request with hundreds of items costs one call into the hasher and no allocation per value.
 */
import type { FeatureIds } from "../embedding/options.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../../structures/utf8.ts";

/** Turns values into feature ids: slot (15 bits) << 48 | 48-bit signature of the bytes. */
export interface ValueHasher {
  /**
   * @param slots Slot number of each value, shape `[n]`.
   * @param utf8 All values' bytes, one after another.
   * @param offsets Value i is `utf8[offsets[i] .. offsets[i + 1]]`, shape `[n + 1]`.
   * @returns Ids, shape `[n]`.
   */
  hash(slots: Uint16Array, utf8: Uint8Array, offsets: Uint32Array): FeatureIds;
}

export class ValueBuffer {
  #bytes = new Uint8Array(16 * 1024);
  #words = new Uint32Array(this.#bytes.buffer);
  #slots = new Uint16Array(1024);
  #offsets = new Uint32Array(1025);
  #count = 0;
  #end = 0;

  /** Values so far; the index that the next one gets. */
  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
    this.#end = 0;
  }

  addText(slot: number, text: string): void {
    this.#reserve(utf8BytesPerUnit * text.length);
    this.#close(slot, writeUtf8(text, this.#bytes, this.#end));
  }

  /**
   * A combination of ids, as their little-endian words: two words an id, at `positions` (in ids) of `words`. Between
   * two calls of {@link clear} there are either texts or combinations, which begin at whole words.
   */
  addCombination(slot: number, words: Uint32Array, positions: Uint32Array, parts: number): void {
    this.#reserve(8 * parts);
    let at = this.#end >>> 2;
    for (let part = 0; part < parts; part++) {
      this.#words[at++] = words[2 * positions[part]];
      this.#words[at++] = words[2 * positions[part] + 1];
    }
    this.#close(slot, 4 * at);
  }

  /** Hashes all values. The ids' words (low, high; two an id), valid until the hasher's next call. */
  hash(hasher: ValueHasher): Uint32Array {
    if (this.#count === 0) return new Uint32Array(0);
    const ids = hasher.hash(
      this.#slots.subarray(0, this.#count),
      this.#bytes.subarray(0, this.#end),
      this.#offsets.subarray(0, this.#count + 1),
    );
    return new Uint32Array(ids.buffer, ids.byteOffset, 2 * this.#count);
  }

  #close(slot: number, end: number): void {
    this.#slots[this.#count++] = slot;
    this.#offsets[this.#count] = end;
    this.#end = end;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes > this.#bytes.length) {
      const grown = new Uint8Array(
        4 * Math.ceil(Math.max(this.#bytes.length, this.#end + bytes) / 2),
      );
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
      this.#words = new Uint32Array(grown.buffer);
    }
    if (this.#count === this.#slots.length) {
      const slots = new Uint16Array(2 * this.#slots.length);
      slots.set(this.#slots);
      this.#slots = slots;
      const offsets = new Uint32Array(2 * slots.length + 1);
      offsets.set(this.#offsets);
      this.#offsets = offsets;
    }
  }
}

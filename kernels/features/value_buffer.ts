/**
 * The values of one request as UTF-8 bytes, in buffers that the extractor reuses: a request with
 * hundreds of items costs one call of the hasher and no allocation per value.
 */
import type { FeatureIds } from "../embedding/options.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../../structures/utf8.ts";

/** Makes feature ids of values: slot (15 bits) << 48 | 48-bit signature of the bytes. */
export interface ValueHasher {
  /**
   * @param slots Slot number of each value, shape `[n]`.
   * @param utf8 The bytes of all values.
   * @param offsets Value i is `utf8[offsets[i] .. offsets[i + 1]]`, shape `[n + 1]`.
   * @returns Ids, shape `[n]`, valid until the next call.
   */
  hash(slots: Uint16Array, utf8: Uint8Array, offsets: Uint32Array): FeatureIds;
}

/** Values to be hashed, each with its slot. */
export class ValueBuffer {
  #bytes = new Uint8Array(16 * 1024);
  #words = new Uint32Array(this.#bytes.buffer);
  #slots = new Uint16Array(1024);
  #offsets = new Uint32Array(1025);
  #count = 0;
  #end = 0;

  /** Removes all values. */
  clear(): void {
    this.#count = 0;
    this.#end = 0;
  }

  /** Appends a text. */
  addText(slot: number, text: string): void {
    this.#reserve(utf8BytesPerUnit * text.length);
    this.#close(slot, writeUtf8(text, this.#bytes, this.#end));
  }

  /**
   * Appends a combination of ids, as their little-endian words. Between two calls of {@link clear}
   * there are either texts or combinations, since a combination begins at a whole word.
   *
   * @param words Ids, two words each.
   * @param partIds Indices of the combined ids in `words`, counted in ids.
   */
  addCombination(slot: number, words: Uint32Array, partIds: Uint32Array, parts: number): void {
    this.#reserve(8 * parts);
    let at = this.#end >>> 2;
    for (let part = 0; part < parts; part++) {
      this.#words[at++] = words[2 * partIds[part]];
      this.#words[at++] = words[2 * partIds[part] + 1];
    }
    this.#close(slot, 4 * at);
  }

  /** Hashes all values; returns two words an id (low, high), valid until the hasher's next call. */
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

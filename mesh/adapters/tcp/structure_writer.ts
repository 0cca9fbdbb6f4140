/**
 * Writes the primitive parts of a structure into memory that grows and is used again.
 */
import { tags } from "./value_tags.ts";

const textEncoder = new TextEncoder();
/** Strings up to this length are tried as ASCII first, which is faster than an encoder's call. */
const ASCII_LENGTH_MAX = 64;

export class StructureWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Begins a new structure. */
  reset(): void {
    this.#length = 0;
  }

  /** The structure, in memory of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  /** An integer from 0 to 2^32 - 1, seven bits a byte, the lowest first. */
  varint(value: number): void {
    this.#reserve(5);
    while (value >= 0x80) {
      this.#bytes[this.#length++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    this.#bytes[this.#length++] = value;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  /** Replaces a {@link uint32} that was written at `position`. */
  patchUint32(position: number, value: number): void {
    this.#view.setUint32(position, value, true);
  }

  number(value: number): void {
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.byte(tags.integer);
      this.varint(((value << 1) ^ (value >> 31)) >>> 0);
      return;
    }
    this.#reserve(9);
    this.#bytes[this.#length] = tags.number;
    this.#view.setFloat64(this.#length + 1, value, true);
    this.#length += 9;
  }

  string(text: string): void {
    if (text.length <= ASCII_LENGTH_MAX && this.#ascii(text)) return;
    if (!text.isWellFormed()) return this.#utf16(text);
    this.byte(tags.utf8);
    const encoded = textEncoder.encode(text);
    this.varint(encoded.byteLength);
    this.#reserve(encoded.byteLength);
    this.#bytes.set(encoded, this.#length);
    this.#length += encoded.byteLength;
  }

  /** False where the text is not ASCII; nothing was written then. */
  #ascii(text: string): boolean {
    this.#reserve(2 + ASCII_LENGTH_MAX);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = tags.utf8;
    bytes[at++] = text.length; // below 128: one byte of varint
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[at++] = unit;
    }
    this.#length = at;
    return true;
  }

  #utf16(text: string): void {
    this.byte(tags.utf16);
    this.varint(text.length);
    this.#reserve(2 * text.length);
    for (let i = 0; i < text.length; i++) {
      this.#view.setUint16(this.#length + 2 * i, text.charCodeAt(i), true);
    }
    this.#length += 2 * text.length;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.byteLength));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

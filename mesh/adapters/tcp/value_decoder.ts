/**
 * Decodes the values that {@link ValueEncoder} writes. Bytes are checked before they are used:
 * wrong ones give a {@link MalformedFrameError}, and memory is taken only for bytes that came.
 */
import { decodeError, type WireError } from "../../runtime/errors.ts";
import { type EncodedValue, MalformedFrameError } from "./encoded_value.ts";
import { DEPTH_MAX, tags, viewKinds } from "./value_tags.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Texts up to this length are looked up among the known ones: kinds, addresses, field names. */
const KNOWN_LENGTH_MAX = 32;
/** Known texts; a power of two. */
const KNOWN_COUNT = 1024;

export class ValueDecoder {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #sections: readonly Uint8Array<ArrayBuffer>[] = [];
  #at = 0;
  /** The last short text of each hash. */
  readonly #known = new Array<string>(KNOWN_COUNT).fill("");

  /**
   * The encoded value. Its typed arrays use the memory of the sections.
   *
   * @throws {MalformedFrameError} The bytes are not an encoded value.
   */
  decode({ structure, sections }: EncodedValue): unknown {
    this.#bytes = structure;
    this.#view = new DataView(structure.buffer, structure.byteOffset, structure.byteLength);
    this.#sections = sections;
    this.#at = 0;
    const value = this.#value(0);
    if (this.#at !== structure.byteLength) {
      throw new MalformedFrameError(`${structure.byteLength - this.#at} bytes are left over`);
    }
    this.#sections = [];
    return value;
  }

  #value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new MalformedFrameError("values are nested too deeply");
    const tag = this.#byte();
    switch (tag) {
      case tags.undefined:
        return undefined;
      case tags.null:
        return null;
      case tags.false:
        return false;
      case tags.true:
        return true;
      case tags.integer: {
        const zigzag = this.#varint();
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
      case tags.number:
        return this.#view.getFloat64(this.#take(8), true);
      case tags.bigint:
        return this.#bigint();
      case tags.utf8:
      case tags.utf16:
        return this.#text(tag);
      case tags.array: {
        const count = this.#count();
        const values = [];
        for (let i = 0; i < count; i++) values.push(this.#value(depth + 1));
        return values;
      }
      case tags.object:
        return this.#properties(depth);
      case tags.error:
        return this.#error(depth);
      case tags.buffer:
        return this.#buffer();
      case tags.view:
        return this.#arrayView();
      default:
        throw new MalformedFrameError(`a value has the unknown tag ${tag}`);
    }
  }

  #properties(depth: number): Record<string, unknown> {
    const count = this.#count();
    const object: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.#text(this.#byte());
      const value = this.#value(depth + 1);
      if (key === "__proto__") {
        Object.defineProperty(object, key, {
          value,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      } else object[key] = value;
    }
    return object;
  }

  #error(depth: number): Error {
    const { name, message, data } = this.#properties(depth);
    if (typeof name !== "string" || typeof message !== "string" || typeof data !== "object") {
      throw new MalformedFrameError("an error without a name, a message or data");
    }
    return decodeError({ name, message, data: (data ?? {}) as WireError["data"] });
  }

  #bigint(): bigint {
    const digits = this.#text(this.#byte());
    if (!/^-?\d+$/.test(digits)) throw new MalformedFrameError("a bigint has no digits");
    return BigInt(digits);
  }

  #text(tag: number): string {
    if (tag === tags.utf8) {
      const length = this.#varint();
      const begin = this.#take(length);
      if (length <= KNOWN_LENGTH_MAX) return this.#knownText(begin, length);
      return this.#utf8(begin, length);
    }
    if (tag !== tags.utf16) throw new MalformedFrameError(`a text has the tag ${tag}`);
    const length = 2 * this.#varint();
    const begin = this.#take(length);
    // A TextDecoder would replace the unpaired surrogates for which this form exists.
    let text = "";
    for (let at = begin; at < begin + length; at += 2) {
      text += String.fromCharCode(this.#view.getUint16(at, true));
    }
    return text;
  }

  #utf8(begin: number, length: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(begin, begin + length));
    } catch {
      throw new MalformedFrameError("a text is not UTF-8");
    }
  }

  /** A short text; a known ASCII text is not decoded again. */
  #knownText(begin: number, length: number): string {
    const bytes = this.#bytes;
    let hash = length;
    let bits = 0;
    for (let i = 0; i < length; i++) {
      hash = (Math.imul(hash, 31) + bytes[begin + i]) | 0;
      bits |= bytes[begin + i];
    }
    if (bits >= 0x80) return this.#utf8(begin, length);
    const index = hash & (KNOWN_COUNT - 1);
    const known = this.#known[index];
    if (known.length === length) {
      let i = 0;
      while (i < length && known.charCodeAt(i) === bytes[begin + i]) i++;
      if (i === length) return known;
    }
    return this.#known[index] = this.#utf8(begin, length);
  }

  #buffer(): ArrayBuffer {
    const { buffer, byteOffset, byteLength } = this.#section();
    return byteOffset === 0 && byteLength === buffer.byteLength
      ? buffer
      : buffer.slice(byteOffset, byteOffset + byteLength);
  }

  #arrayView(): ArrayBufferView {
    const kind = viewKinds[this.#byte()];
    if (kind === undefined) throw new MalformedFrameError("a typed array is of an unknown kind");
    const section = this.#section();
    const at = this.#take(8);
    const byteOffset = this.#view.getUint32(at, true);
    const length = this.#view.getUint32(at + 4, true);
    const { bytesPerElement } = kind;
    const from = section.byteOffset + byteOffset;
    if (from % bytesPerElement !== 0 || byteOffset + length * bytesPerElement > section.length) {
      throw new MalformedFrameError(`a ${kind.name} does not fit into its section`);
    }
    return kind.create(section.buffer, from, length);
  }

  #section(): Uint8Array<ArrayBuffer> {
    const section = this.#sections[this.#varint()];
    if (section === undefined) throw new MalformedFrameError("a section is missing");
    return section;
  }

  /** A number of values that follow, each of at least one byte. */
  #count(): number {
    const count = this.#varint();
    if (count > this.#bytes.byteLength - this.#at) {
      throw new MalformedFrameError(`${count} values do not fit into the rest of the frame`);
    }
    return count;
  }

  #byte(): number {
    return this.#bytes[this.#take(1)];
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw new MalformedFrameError("a number is too long");
  }

  /** Position of the next `count` bytes, which are taken. */
  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.byteLength - at) {
      throw new MalformedFrameError("it ends in the middle of a value");
    }
    this.#at = at + count;
    return at;
  }
}

/**
 * Encodes a message for another process: the values that structured clone carries between threads,
 * as far as messages use them. The others are refused with an error that says what to send.
 *
 * - Typed arrays of one ArrayBuffer share one ArrayBuffer at the receiver too. Only the bytes
 *   between the first and the last of them travel.
 * - An object that is referred to twice arrives as two objects, and a cycle is refused.
 * - An instance of a class arrives as a plain object of its own enumerable properties.
 * - A hole of an array arrives as undefined.
 */
import { encodeError } from "../../runtime/errors.ts";
import { type EncodedValue, FrameTooLargeError, NotSendableError } from "./encoded_value.ts";
import { StructureWriter } from "./structure_writer.ts";
import { DEPTH_MAX, kindOfView, tags, viewKinds } from "./value_tags.ts";

/** Memory of typed arrays that goes into one section. */
interface Section {
  readonly buffer: ArrayBuffer;
  /** First byte that a typed array uses. */
  begin: number;
  /** One past the last byte. */
  end: number;
}

/** A view's byte offset in a structure, which is known when all views of its section are. */
interface OffsetToWrite {
  readonly position: number;
  readonly section: Section;
  readonly byteOffset: number;
}

/** A section begins at a multiple of this, so that any typed array in it is aligned. */
const ALIGNMENT = 8;

/** Structures are longer only where a message holds long texts. */
const BYTES_MAX_DEFAULT = 64 * 2 ** 20;

/** Sections up to which the list is searched from its begin. */
const SEARCHED_MAX = 8;

export class ValueEncoder {
  readonly #bytesMax: number;
  readonly #writer = new StructureWriter();
  #sections: Section[] = [];
  #indices: Map<ArrayBuffer, number> | undefined;
  #offsets: OffsetToWrite[] = [];

  /** @param bytesMax Bytes of one encoded value at most. */
  constructor(bytesMax = BYTES_MAX_DEFAULT) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Encodes a value. The buffers in `transfer` are unusable here afterwards, and are not copied.
   *
   * @throws {NotSendableError} The value holds something that cannot travel.
   * @throws {FrameTooLargeError} The value has more than `bytesMax` bytes.
   */
  encode(value: unknown, transfer: readonly Transferable[] = []): EncodedValue {
    const writer = this.#writer;
    writer.reset();
    this.#sections = [];
    this.#indices = undefined;
    this.#offsets = [];
    for (const each of transfer) {
      if (each instanceof ArrayBuffer) continue;
      throw new NotSendableError(`a ${nameOf(each)}`, "only ArrayBuffers can be moved");
    }
    this.#value(value, 0);
    let bytes = writer.length;
    for (const section of this.#sections) {
      section.begin -= section.begin % ALIGNMENT;
      bytes += section.end - section.begin;
    }
    if (bytes > this.#bytesMax) throw new FrameTooLargeError(bytes, this.#bytesMax);
    for (const { position, section, byteOffset } of this.#offsets) {
      writer.patchUint32(position, byteOffset - section.begin);
    }
    const structure = writer.finish();
    const sections = this.#sections.map(({ buffer, begin, end }) =>
      transfer.includes(buffer)
        ? new Uint8Array(moved(buffer), begin, end - begin)
        : new Uint8Array(buffer, begin, end - begin).slice()
    );
    for (const buffer of transfer as readonly ArrayBuffer[]) if (!buffer.detached) moved(buffer);
    this.#sections = [];
    this.#offsets = [];
    return { structure, sections };
  }

  #value(value: unknown, depth: number): void {
    const writer = this.#writer;
    switch (typeof value) {
      case "string":
        return writer.string(value);
      case "number":
        return writer.number(value);
      case "boolean":
        return writer.byte(value ? tags.true : tags.false);
      case "undefined":
        return writer.byte(tags.undefined);
      case "bigint":
        writer.byte(tags.bigint);
        return writer.string(value.toString());
      case "object":
        if (value === null) return writer.byte(tags.null);
        if (depth >= DEPTH_MAX) {
          throw new NotSendableError(
            `objects more than ${DEPTH_MAX} deep`,
            "they may refer to themselves; send a flat structure",
          );
        }
        return this.#object(value, depth);
      default:
        throw new NotSendableError(`a ${typeof value}`, "send plain data");
    }
  }

  #object(value: object, depth: number): void {
    const writer = this.#writer;
    if (Array.isArray(value)) {
      writer.byte(tags.array);
      writer.varint(value.length);
      for (let i = 0; i < value.length; i++) this.#value(value[i], depth + 1);
    } else if (ArrayBuffer.isView(value)) {
      this.#view(value);
    } else if (value instanceof ArrayBuffer) {
      requireAttached(value);
      writer.byte(tags.buffer);
      writer.varint(this.#section(value, 0, value.byteLength));
    } else if (value instanceof Error) {
      writer.byte(tags.error);
      this.#properties(encodeError(value), depth);
    } else {
      const instead = refused(value);
      if (instead !== undefined) throw new NotSendableError(`a ${nameOf(value)}`, instead);
      writer.byte(tags.object);
      this.#properties(value, depth);
    }
  }

  #properties(value: object, depth: number): void {
    const keys = Object.keys(value);
    this.#writer.varint(keys.length);
    for (const key of keys) {
      this.#writer.string(key);
      this.#value((value as Record<string, unknown>)[key], depth + 1);
    }
  }

  #view(view: ArrayBufferView): void {
    const kind = kindOfView(view);
    const { buffer, byteOffset, byteLength } = view;
    if (kind === undefined) throw new NotSendableError(`a ${nameOf(view)}`, "send a Float32Array");
    if (!(buffer instanceof ArrayBuffer)) {
      throw new NotSendableError("shared memory", "send a copy of the array");
    }
    requireAttached(buffer);
    const index = this.#section(buffer, byteOffset, byteOffset + byteLength);
    const writer = this.#writer;
    writer.byte(tags.view);
    writer.byte(kind);
    writer.varint(index);
    this.#offsets.push({ position: writer.length, section: this.#sections[index], byteOffset });
    writer.uint32(0);
    writer.uint32(byteLength / viewKinds[kind].bytesPerElement);
  }

  /** The index of the buffer's section, which then holds these bytes too. */
  #section(buffer: ArrayBuffer, begin: number, end: number): number {
    const index = this.#indexOf(buffer);
    if (index < 0) {
      this.#indices?.set(buffer, this.#sections.length);
      return this.#sections.push({ buffer, begin, end }) - 1;
    }
    const section = this.#sections[index];
    section.begin = Math.min(section.begin, begin);
    section.end = Math.max(section.end, end);
    return index;
  }

  #indexOf(buffer: ArrayBuffer): number {
    if (this.#sections.length <= SEARCHED_MAX) {
      return this.#sections.findIndex((section) => section.buffer === buffer);
    }
    this.#indices ??= new Map(this.#sections.map((section, index) => [section.buffer, index]));
    return this.#indices.get(buffer) ?? -1;
  }
}

/** The buffer's memory without a copy; the buffer is unusable afterwards. */
function moved(buffer: ArrayBuffer): ArrayBuffer {
  try {
    return buffer.transfer();
  } catch (cause) {
    throw new NotSendableError(
      "memory that cannot be moved",
      `leave it out of the transfer list (${cause instanceof Error ? cause.message : cause})`,
    );
  }
}

function requireAttached(buffer: ArrayBuffer): void {
  if (buffer.detached) {
    throw new NotSendableError("a moved buffer", "it belongs to an earlier message");
  }
}

/** Values that structured clone would carry, and the values to send instead. */
function refused(value: object): string | undefined {
  if (value instanceof Map) return "send an array of entries or a plain object";
  if (value instanceof Set) return "send an array";
  if (value instanceof Date) return "send ms since the Unix epoch";
  if (value instanceof RegExp) return "send its source";
  if (value instanceof SharedArrayBuffer) return "send a copy of the array";
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet) {
    return "send plain data";
  }
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    return "send the primitive value";
  }
  return typeof MessagePort !== "undefined" && value instanceof MessagePort
    ? "threads of other processes cannot use it"
    : undefined;
}

function nameOf(value: object): string {
  return value.constructor?.name ?? "object";
}

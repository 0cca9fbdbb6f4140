/**
 * The first byte of each value in a structure, and the kinds of typed arrays.
 */

export const tags = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** Zigzag varint of an int32. */
  integer: 4,
  /** Little-endian IEEE 754 double. */
  number: 5,
  /** Decimal digits, as a `utf8`. */
  bigint: 6,
  /** Varint byte length, UTF-8. */
  utf8: 7,
  /** Varint length in units of 16 bits, little-endian: a string with unpaired surrogates. */
  utf16: 8,
  /** Varint count, values. */
  array: 9,
  /** Varint count, then a `utf8` or `utf16` and a value each. */
  object: 10,
  /** A plain object: name, message, data; see runtime/errors.ts. */
  error: 11,
  /** Varint section. */
  buffer: 12,
  /** Kind, varint section, u32 byte offset in it, u32 elements. */
  view: 13,
} as const;

type View = ArrayBufferView<ArrayBuffer>;

interface ViewKind {
  readonly name: string;
  readonly bytesPerElement: number;
  create(buffer: ArrayBuffer, byteOffset: number, length: number): View;
}

/** Kinds of views; a view names its kind by its index here. */
export const viewKinds: readonly ViewKind[] = [
  Uint8Array,
  Float32Array,
  Uint32Array,
  Float64Array,
  Int32Array,
  Uint16Array,
  Int16Array,
  Int8Array,
  Uint8ClampedArray,
  BigInt64Array,
  BigUint64Array,
].map((View) => ({
  name: View.name,
  bytesPerElement: View.BYTES_PER_ELEMENT,
  create: (buffer: ArrayBuffer, byteOffset: number, length: number): View =>
    new View(buffer, byteOffset, length),
})).concat({
  name: "DataView",
  bytesPerElement: 1,
  create: (buffer, byteOffset, length) => new DataView(buffer, byteOffset, length),
});

const kindByName = new Map(viewKinds.map(({ name }, kind) => [name, kind]));

/** Index of the view's kind; undefined for a kind that does not travel. */
export function kindOfView(view: ArrayBufferView): number | undefined {
  return kindByName.get((view as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag]);
}

/** Values inside of each other at most; a cycle is deeper. */
export const DEPTH_MAX = 64;

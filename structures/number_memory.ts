/**
 * One buffer, seen as each kind of number that rows are made of. The views are made once for the
 * whole buffer and shared by all records in it: views made for each ranking were most of the
 * joiner's garbage.
 */
export class NumberMemory {
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;

  /** @param buffer Its length is a multiple of 4 bytes. */
  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.words = new Uint32Array(buffer);
    this.floats = new Float32Array(buffer);
  }

  /** New memory that begins with a copy of `bytes`, padded with zeros to whole words. */
  static copyOf(bytes: Uint8Array): NumberMemory {
    const memory = new NumberMemory(new ArrayBuffer(4 * Math.ceil(bytes.length / 4)));
    memory.bytes.set(bytes);
    return memory;
  }
}

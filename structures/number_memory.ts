/**
 * One piece of memory, seen as each kind of number that rows are made of. Views are made once for all that comes to lie
 * in it: one for each ranking would be most of the joiner's garbage.
 */
export class NumberMemory {
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  readonly floats: Float32Array;

  /** @param buffer A multiple of 4 bytes. */
  constructor(buffer: ArrayBufferLike) {
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.words = new Uint32Array(buffer);
    this.floats = new Float32Array(buffer);
  }

  /** Memory of its own that begins with these bytes. */
  static copyOf(bytes: Uint8Array): NumberMemory {
    const memory = new NumberMemory(new ArrayBuffer(4 * Math.ceil(bytes.length / 4)));
    memory.bytes.set(bytes);
    return memory;
  }
}

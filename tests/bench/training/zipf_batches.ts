/**
 * Batches in the shape of Criteo Display Ads: 26 slots with one id each and 13 dense values; ids
 * follow Zipf's law.
 */
import type { ExampleChunk } from "../../../records/example_chunk.ts";

export const SLOTS = 26;
export const DENSE_WIDTH = 13;
export const ZIPF_EXPONENT = 1.05;

/** Ids per slot, so that all slots together have about `ids`. */
export function idsPerSlot(ids: number): number {
  return Math.floor(ids / SLOTS);
}

/**
 * Writes the feature id of a slot's n-th id as two little-endian words: slot in the top 16 bits, a
 * hash of n below.
 */
export function writeFeatureId(words: Uint32Array, at: number, slot: number, n: number): void {
  words[2 * at] = Math.imul(n + 1, 0x9e3779b1);
  words[2 * at + 1] = (((slot + 1) << 16) | (Math.imul(n + 1, 0x85ebca6b) >>> 16)) >>> 0;
}

export class ZipfBatches {
  readonly #cumulative: Float64Array;
  readonly #schemaFingerprint: number;
  #state: number;

  constructor(ids: number, schemaFingerprint: number, seed = 1) {
    this.#schemaFingerprint = schemaFingerprint;
    const count = idsPerSlot(ids);
    this.#cumulative = new Float64Array(count);
    let sum = 0;
    for (let n = 0; n < count; n++) {
      sum += (n + 1) ** -ZIPF_EXPONENT;
      this.#cumulative[n] = sum;
    }
    for (let n = 0; n < count; n++) this.#cumulative[n] /= sum;
    this.#state = seed >>> 0;
  }

  /** One chunk of the example log. */
  chunk(rows: number, firstRow: number): ExampleChunk {
    const words = new Uint32Array(rows * SLOTS * 2);
    const listOffsets = new Uint32Array(rows * SLOTS + 1).map((_, i) => i);
    for (let i = 0; i < rows * SLOTS; i++) writeFeatureId(words, i, i % SLOTS, this.#draw());
    const dense = new Float32Array(rows * DENSE_WIDTH).map(() => this.#uniform());
    const labels = new Float32Array(rows).map(() => this.#uniform() < 0.25 ? 1 : 0);
    const bytes = (array: ArrayBufferView) =>
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    return {
      firstRow,
      rows,
      schemaFingerprint: this.#schemaFingerprint,
      ids: bytes(words),
      listOffsets: bytes(listOffsets),
      dense: bytes(dense),
      labels: bytes(labels),
      logSampleRate: new Uint8Array(rows * 4),
      servedPredictions: bytes(new Float32Array(rows).fill(0.5)),
      atMs: 0,
      acceptedAtMs: 1 + firstRow,
    } as ExampleChunk;
  }

  #draw(): number {
    const u = this.#uniform();
    let low = 0, high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#cumulative[middle] < u) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Mulberry32. */
  #uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  }
}

/**
 * From features to ids: `slot << 48 | low 48 bits of XXH64(UTF-8 text, seed 0)`. XXH64 is public,
 * so other programs can compute the same ids. A whole batch is hashed in one call, without a string
 * or BigInt for each id.
 */
import type { BatchExports } from "./batch_exports.ts";
import { instantiateKernel } from "./kernel_module.ts";
import { requireAccepted, reserveBuffer } from "./kernel_refusals.ts";
import type { FeatureIds } from "./options.ts";

/**
 * Hashes values into feature ids.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { FeatureHasher } from "./feature_hasher.ts";
 *
 * const hasher = FeatureHasher.create();
 * const utf8 = new TextEncoder().encode("dramacomedy");
 * // Two values of slot 7: "drama" and "comedy".
 * const ids = hasher.hash(Uint16Array.of(7, 7), utf8, Uint32Array.of(0, 5, 11));
 * assert.equal(ids[0] >> 48n, 7n);
 * assert.notEqual(ids[0], ids[1]);
 * ```
 */
export class FeatureHasher {
  readonly #kernel: BatchExports;

  private constructor(kernel: BatchExports) {
    this.#kernel = kernel;
  }

  /** A hasher with its own memory. */
  static create(): FeatureHasher {
    return new FeatureHasher(instantiateKernel<BatchExports>());
  }

  /**
   * Hashes texts into {@link FeatureIds}.
   *
   * @param slots Slot of each text, at most 32,767, shape `[texts]`.
   * @param utf8 The bytes of all texts.
   * @param offsets Text i is `utf8[offsets[i] .. offsets[i + 1]]`, shape `[texts + 1]`.
   * @returns Feature ids, shape `[texts]`; the kernel's memory, valid until the next call.
   * @throws {RangeError} When a slot or an offset is out of range.
   * @see Yann Collet, "XXH64 digest algorithm", 2014
   */
  hash(slots: Uint16Array, utf8: Uint8Array, offsets: Uint32Array): FeatureIds {
    const kernel = this.#kernel;
    const action = "hash features";
    if (offsets.length !== slots.length + 1 || offsets[slots.length] > utf8.length) {
      throw new RangeError(
        `Cannot ${action}: ${slots.length} slots need ${slots.length + 1} offsets inside ` +
          `${utf8.length} bytes, got ${offsets.length} up to ${offsets[offsets.length - 1]}`,
      );
    }
    const idsAt = reserveBuffer(action, kernel.batch_ids, slots.length);
    const slotsAt = reserveBuffer(action, kernel.batch_slots, slots.length);
    const bytesAt = reserveBuffer(action, kernel.batch_bytes, utf8.length);
    const offsetsAt = reserveBuffer(action, kernel.batch_offsets, offsets.length);
    const memory = kernel.memory.buffer;
    new Uint16Array(memory, slotsAt, slots.length).set(slots);
    new Uint8Array(memory, bytesAt, utf8.length).set(utf8);
    new Uint32Array(memory, offsetsAt, offsets.length).set(offsets);
    requireAccepted(action, kernel.batch_hash(slots.length));
    return new BigUint64Array(kernel.memory.buffer as ArrayBuffer, idsAt, slots.length);
  }
}

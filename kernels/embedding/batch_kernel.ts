/**
 * Batch primitives of trainer and scorer, in a WASM memory of their own: the distinct ids of a
 * batch, grouped by shard and class of rows, and checksums.
 */
import type { BatchExports } from "./batch_exports.ts";
import { instantiateKernel } from "./kernel_module.ts";
import { requireAccepted, reserveBuffer } from "./kernel_refusals.ts";
import type { FeatureIds } from "./options.ts";
import type { RowClass } from "./row_classes.ts";

/**
 * Distinct ids of a batch, grouped by shard and class, in order of first appearance inside a group.
 */
export interface UniqueIds {
  /** Shape `[unique]`. */
  readonly uniqueIds: FeatureIds;
  /**
   * Ids of class c on shard s are `uniqueIds[groupStarts[g] .. groupStarts[g + 1]]` with g = s ·
   * classes + c. Shape `[shards · classes + 1]`.
   */
  readonly groupStarts: Uint32Array<ArrayBuffer>;
  /** `uniqueIds[inverse[i]]` is the i-th id of the batch. Shape `[ids]`. */
  readonly inverse: Uint32Array<ArrayBuffer>;
  /** Occurrences of each distinct id in the batch. Shape `[unique]`. */
  readonly counts: Uint32Array<ArrayBuffer>;
}

/** A slot has 15 bits of an id. */
const SLOTS = 1 << 15;
const CHECKSUM_CHUNK_BYTES = 1 << 20;

/** Batch primitives over one memory of their own. */
export class BatchKernel {
  readonly #kernel: BatchExports;
  readonly #classes: number;

  private constructor(kernel: BatchExports, classes: number) {
    this.#kernel = kernel;
    this.#classes = classes;
  }

  /**
   * A kernel with a memory of its own.
   *
   * @param classes Slots by class of rows; ids of slots that no class names are of the first.
   *   Default: one class.
   */
  static create(classes: readonly Pick<RowClass, "slots">[] = []): BatchKernel {
    const kernel = instantiateKernel<BatchExports>();
    if (classes.length < 2) return new BatchKernel(kernel, 1);
    const address = reserveBuffer("group slots", kernel.batch_bytes, SLOTS);
    const classBySlotNumber = new Uint8Array(kernel.memory.buffer, address, SLOTS).fill(0);
    classes.forEach(({ slots }, number) => {
      for (const slot of slots) classBySlotNumber[slot] = number;
    });
    requireAccepted("group slots", kernel.batch_classes());
    return new BatchKernel(kernel, classes.length);
  }

  /**
   * Distinct ids grouped by shard and class; both depend on the id alone.
   *
   * @param ids Feature ids, shape `[ids]`.
   * @param shards Number of logical shards, 1 to 1,048,576.
   * @throws {RangeError} When `shards` is out of range or memory is short.
   */
  unique(ids: FeatureIds, shards: number): UniqueIds {
    const { uniqueIds, groupStarts, inverse, counts } = this.uniqueView(ids, shards);
    return {
      uniqueIds: uniqueIds.slice(),
      groupStarts: groupStarts.slice(),
      inverse: inverse.slice(),
      counts: counts.slice(),
    };
  }

  /**
   * As {@link unique}, as views of the kernel's memory: they are valid until its next call and
   * cannot be transferred to another thread.
   */
  uniqueView(ids: FeatureIds, shards: number): UniqueIds {
    const kernel = this.#kernel;
    const address = reserveBuffer("find unique ids", kernel.batch_ids, ids.length);
    new BigUint64Array(kernel.memory.buffer, address, ids.length).set(ids);
    const unique = requireAccepted("find unique ids", kernel.batch_unique(ids.length, shards));
    const memory = kernel.memory.buffer as ArrayBuffer;
    const words = (which: number, length: number) =>
      new Uint32Array(memory, kernel.batch_unique_result(which) >>> 0, length);
    return {
      uniqueIds: new BigUint64Array(memory, kernel.batch_unique_result(0) >>> 0, unique),
      groupStarts: words(1, shards * this.#classes + 1),
      inverse: words(2, ids.length),
      counts: words(3, unique),
    };
  }

  /** CRC-32C (Castagnoli) of the buffers, as if they were one. */
  crc32c(...buffers: readonly (ArrayBufferView | ArrayBufferLike)[]): number {
    let crc = 0;
    for (const buffer of buffers) {
      const bytes = ArrayBuffer.isView(buffer)
        ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
        : new Uint8Array(buffer);
      for (let start = 0; start < bytes.length; start += CHECKSUM_CHUNK_BYTES) {
        crc = this.#checksum(crc, bytes.subarray(start, start + CHECKSUM_CHUNK_BYTES));
      }
    }
    return crc;
  }

  #checksum(crc: number, chunk: Uint8Array): number {
    const kernel = this.#kernel;
    const address = reserveBuffer("checksum", kernel.batch_bytes, chunk.length);
    new Uint8Array(kernel.memory.buffer, address, chunk.length).set(chunk);
    return kernel.batch_crc32c(crc, chunk.length) >>> 0;
  }
}

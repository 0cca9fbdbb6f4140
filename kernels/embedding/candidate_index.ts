/**
 * Vectors of items in the kernel's memory, eight bits a number, and the search for those that have
 * the greatest inner products with a query. See `candidates.rs`.
 */
import { instantiateKernel, type KernelExports } from "./kernel_module.ts";
import { requireAccepted, type Reserve, reserveBuffer } from "./kernel_refusals.ts";

interface CandidateExports extends KernelExports {
  readonly candidates_floats: Reserve;
  readonly candidates_indices: Reserve;
  readonly candidates_mask: Reserve;
  readonly candidates_create: (dim: number, countMax: number) => number;
  readonly candidates_write: (count: number) => number;
  readonly candidates_search: (order: number, words: number, count: number) => number;
}

/** Maximum width of a vector. */
export const CANDIDATE_DIM_MAX = 512;

/** `innerProduct` adds the item's bias; `cosine` reads no biases. */
export type SearchOrder = "innerProduct" | "cosine";

/** A search for the nearest items. */
export interface CandidateSearch {
  /** `[dim]` */
  readonly query: Float32Array;
  /** Bit i allows index i. */
  readonly mask: Uint32Array;
  readonly order: SearchOrder;
  /** Items to find at most. */
  readonly count: number;
}

/** The items that were found, the best first. */
export interface FoundCandidates {
  readonly indices: Uint32Array<ArrayBuffer>;
  readonly scores: Float32Array<ArrayBuffer>;
}

export class CandidateIndex {
  readonly dim: number;
  readonly #kernel = instantiateKernel<CandidateExports>();

  /** @throws {RangeError} When the width or the bound is out of range. */
  constructor(dim: number, itemsMax: number) {
    this.dim = dim;
    requireAccepted("make candidates", this.#kernel.candidates_create(dim, itemsMax));
  }

  /** Memory of the index, bytes. */
  get bytes(): number {
    return this.#kernel.memory.buffer.byteLength;
  }

  /**
   * Writes vectors with their biases.
   *
   * @param rows `[indices, dim + 1]`; the last number of a row is the bias.
   * @throws {RangeError} When an index is at or above the bound, or memory is short.
   */
  write(indices: ArrayLike<number>, rows: Float32Array): void {
    const action = "write candidates";
    const count = indices.length;
    const { buffers } = this.#reserve(action, { floats: rows.length, indices: count });
    buffers.floats.set(rows);
    buffers.indices.set(indices);
    requireAccepted(action, this.#kernel.candidates_write(count));
  }

  search({ query, mask, order, count }: CandidateSearch): FoundCandidates {
    const action = "search candidates";
    const { dim } = this;
    const lengths = { floats: dim + count, indices: count, mask: mask.length };
    const { buffers } = this.#reserve(action, lengths);
    buffers.floats.set(query.subarray(0, dim));
    buffers.mask.set(mask);
    const code = order === "cosine" ? 1 : 0;
    const found = requireAccepted(action, this.#kernel.candidates_search(code, mask.length, count));
    return {
      indices: buffers.indices.slice(0, found),
      scores: buffers.floats.slice(dim, dim + found),
    };
  }

  #reserve(
    action: string,
    { floats, indices, mask = 0 }: { floats: number; indices: number; mask?: number },
  ) {
    const kernel = this.#kernel;
    const reserve = (): [number, number, number] => [
      reserveBuffer(action, kernel.candidates_floats, floats),
      reserveBuffer(action, kernel.candidates_indices, indices),
      reserveBuffer(action, kernel.candidates_mask, mask),
    ];
    reserve();
    const [floatsAt, indicesAt, maskAt] = reserve(); // the first call may have moved the buffers
    const buffer = kernel.memory.buffer as ArrayBuffer;
    return {
      buffers: {
        floats: new Float32Array(buffer, floatsAt, floats),
        indices: new Uint32Array(buffer, indicesAt, indices),
        mask: new Uint32Array(buffer, maskAt, mask),
      },
    };
  }
}

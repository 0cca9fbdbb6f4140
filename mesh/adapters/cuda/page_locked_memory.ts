/**
 * Host memory that an NVIDIA card copies at full speed: ordinary arrays whose pages the CUDA driver locks.
 *
 * @see https://docs.nvidia.com/cuda/cuda-runtime-api, cudaHostRegister
 */

const SYMBOLS = {
  cudaHostRegister: { parameters: ["buffer", "usize", "u32"], result: "i32" },
  cudaHostUnregister: { parameters: ["buffer"], result: "i32" },
} as const;

/** The runtime's major versions that have these functions in this form, newest first. */
const LIBRARIES = ["libcudart.so.13", "libcudart.so.12"];

export class PageLockedMemory {
  readonly #library: Deno.DynamicLibrary<typeof SYMBOLS>;
  /** Keeps locked arrays from being collected. */
  readonly #locked = new Set<Float32Array<ArrayBuffer>>();

  private constructor(library: Deno.DynamicLibrary<typeof SYMBOLS>) {
    this.#library = library;
  }

  /** Undefined where the CUDA runtime is not installed. */
  static open(): PageLockedMemory | undefined {
    for (const name of LIBRARIES) {
      try {
        return new PageLockedMemory(Deno.dlopen(name, SYMBOLS));
      } catch {
        // Not this version.
      }
    }
    return undefined;
  }

  /** A zeroed array; ordinary memory where the driver locks no more. */
  allocate(length: number): Float32Array<ArrayBuffer> {
    const array = new Float32Array(length);
    if (length === 0) return array;
    const status = this.#library.symbols.cudaHostRegister(array, BigInt(array.byteLength), 0);
    if (status === 0) this.#locked.add(array);
    return array;
  }

  free(array: Float32Array<ArrayBuffer>): void {
    if (this.#locked.delete(array)) this.#library.symbols.cudaHostUnregister(array);
  }
}

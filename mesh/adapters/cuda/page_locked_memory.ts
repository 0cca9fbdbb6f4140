/**
 * Host memory that an NVIDIA GPU copies at full speed: ordinary arrays whose pages the CUDA driver
 * locks.
 *
 * @see https://docs.nvidia.com/cuda/cuda-runtime-api, cudaHostRegister
 */

const SYMBOLS = {
  cudaHostRegister: { parameters: ["buffer", "usize", "u32"], result: "i32" },
  cudaHostUnregister: { parameters: ["buffer"], result: "i32" },
} as const;

type CudaRuntime = Pick<Deno.DynamicLibrary<typeof SYMBOLS>, "symbols">;

/** Libraries of the runtime's major versions with these functions, newest first. */
const LIBRARIES = ["libcudart.so.13", "libcudart.so.12"];

export class PageLockedMemory {
  readonly #library: CudaRuntime;
  /** Keeps locked arrays from being collected. */
  readonly #locked = new Set<Float32Array<ArrayBuffer>>();

  readonly #tell: (line: string) => void;
  #refused = false;

  private constructor(library: CudaRuntime, tell: (line: string) => void) {
    this.#library = library;
    this.#tell = tell;
  }

  /**
   * Opens the CUDA runtime; undefined where it is not installed.
   *
   * @param tell Called with a line when copies will be slow, once for each reason.
   */
  static open(
    tell: (line: string) => void,
    libraries: readonly string[] = LIBRARIES,
  ): PageLockedMemory | undefined {
    const causes: string[] = [];
    for (const name of libraries) {
      try {
        return new PageLockedMemory(Deno.dlopen(name, SYMBOLS), tell);
      } catch (error) {
        causes.push((error as Error).message);
      }
    }
    tell(
      `Batches are copied to the GPU from ordinary memory, which is slower: no CUDA runtime locks pages (${
        causes.join("; ")
      }).`,
    );
    return undefined;
  }

  /** Uses a runtime that is already open. */
  static on(library: CudaRuntime, tell: (line: string) => void): PageLockedMemory {
    return new PageLockedMemory(library, tell);
  }

  /** A zeroed array, in ordinary memory once the driver locks no more. */
  allocate(length: number): Float32Array<ArrayBuffer> {
    const array = new Float32Array(length);
    if (length === 0) return array;
    const status = this.#library.symbols.cudaHostRegister(array, BigInt(array.byteLength), 0);
    if (status === 0) this.#locked.add(array);
    else if (!this.#refused) {
      this.#refused = true;
      this.#tell(
        `A batch is copied to the GPU from ordinary memory, which is slower: the driver locks no more pages (cudaHostRegister returned ${status} for ${array.byteLength} bytes).`,
      );
    }
    return array;
  }

  free(array: Float32Array<ArrayBuffer>): void {
    if (this.#locked.delete(array)) this.#library.symbols.cudaHostUnregister(array);
  }
}

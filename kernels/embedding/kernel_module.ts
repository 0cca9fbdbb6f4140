/**
 * The compiled kernel: one WebAssembly module a thread, one instance a table or set of batch
 * buffers. Importing the bytes makes instantiation synchronous and free of file access.
 */
import { addLargeMemory } from "../../structures/large_memories.ts";
import bytes from "./kernel.wasm" with { type: "bytes" };

/** The version of ABI.md that this program uses. */
const ABI_VERSION = 9;

/** Exports as in ABI.md; each returns a number. */
export interface KernelExports extends Record<string, unknown> {
  readonly memory: WebAssembly.Memory;
  readonly abi_version: () => number;
}

let compiled: WebAssembly.Module | undefined;
/**
 * A fresh instance with a memory of its own.
 *
 * @throws {Error} When the kernel was built from another version of its source.
 */
export function instantiateKernel<Exports extends KernelExports>(): Exports {
  compiled ??= new WebAssembly.Module(bytes);
  const exports = new WebAssembly.Instance(compiled).exports as Exports;
  const version = exports.abi_version();
  if (version !== ABI_VERSION) {
    throw new Error(
      `Cannot use the embedding kernel: kernel.wasm has ABI ${version}, this program needs ` +
        `${ABI_VERSION}; rebuild it by scripts/build_kernel.ts`,
    );
  }
  addLargeMemory(exports.memory);
  return exports;
}

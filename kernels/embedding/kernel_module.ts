/**
 * The compiled kernel: one WebAssembly module a thread, as many instances as there are tables.
 * Importing the bytes keeps instantiation synchronous and free of file access.
 */
import bytes from "./kernel.wasm" with { type: "bytes" };

/** Exports as in ABI.md; each returns a number. */
export interface KernelExports extends Record<string, unknown> {
  readonly memory: WebAssembly.Memory;
}

let compiled: WebAssembly.Module | undefined;

/** A fresh instance with its own memory. */
export function instantiateKernel<Exports extends KernelExports>(): Exports {
  compiled ??= new WebAssembly.Module(bytes);
  return new WebAssembly.Instance(compiled).exports as Exports;
}

/**
 * The kernel in a memory that the engine does not grow past a bound, as on a machine without more.
 */
import bytes from "../../../kernels/embedding/kernel.wasm" with { type: "bytes" };
import type { KernelExports } from "../../../kernels/embedding/kernel_module.ts";

const MAGIC_AND_VERSION_BYTES = 8;
const MEMORY_SECTION = 5;

function encodeLeb(value: number): number[] {
  return value < 128 ? [value] : [value & 127 | 128, ...encodeLeb(value >>> 7)];
}

function decodeLeb(at: number): { value: number; next: number } {
  let value = 0;
  for (let shift = 0;; shift += 7) {
    const byte = bytes[at++];
    value |= (byte & 127) << shift;
    if (byte < 128) return { value: value >>> 0, next: at };
  }
}

/** Pages of 64 KiB that the kernel begins with. */
export const firstPages = memorySection().pages;

function memorySection(): { start: number; end: number; pages: number } {
  for (let start = MAGIC_AND_VERSION_BYTES; start < bytes.length;) {
    const { value: length, next } = decodeLeb(start + 1);
    // One memory, without a maximum: 1, 0, pages.
    if (bytes[start] === MEMORY_SECTION) {
      return { start, end: next + length, pages: decodeLeb(next + 2).value };
    }
    start = next + length;
  }
  throw new Error("kernel.wasm has no memory");
}

/** A module whose memory has `morePages` pages to grow by. */
export function cappedModule(morePages: number): WebAssembly.Module {
  const { start, end, pages } = memorySection();
  const limits = [1, 1, ...encodeLeb(pages), ...encodeLeb(pages + morePages)];
  return new WebAssembly.Module(Uint8Array.from([
    ...bytes.subarray(0, start),
    ...[MEMORY_SECTION, ...encodeLeb(limits.length), ...limits],
    ...bytes.subarray(end),
  ]));
}

/** An instance of it. */
export function instantiateCapped<Exports extends KernelExports>(module: WebAssembly.Module) {
  return new WebAssembly.Instance(module).exports as Exports;
}

/**
 * Allocates arrays that are copied to a device and back. A graphics card copies page-locked memory
 * several times faster than ordinary memory, and only the adapter of that device can allocate it.
 */
export interface HostMemory {
  /** A zeroed array, valid until `free`. */
  allocate(length: number): Float32Array<ArrayBuffer>;
  free(array: Float32Array<ArrayBuffer>): void;
}

/** Ordinary memory. */
export const ordinaryMemory: HostMemory = {
  allocate: (length) => new Float32Array(length),
  free: () => {},
};

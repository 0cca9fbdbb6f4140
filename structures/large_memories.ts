/**
 * The large, long-lived memories of this thread that are read at random places: tables of the
 * kernel and the cache of item features. The machine may move them into huge pages.
 */

/** A memory. Its buffer is replaced when it grows, its address stays. */
export interface LargeMemory {
  readonly buffer: ArrayBufferLike;
  /** Bytes from the beginning of the buffer that have been written; absent = all. */
  readonly usedBytes?: number;
}

/** The collector may take them. */
let memories: WeakRef<LargeMemory>[] = [];

/** Adds a memory to those of this thread, for as long as its owner refers to `memory`. */
export function addLargeMemory(memory: LargeMemory): void {
  memories.push(new WeakRef(memory));
}

/** The memories of this thread. */
export function largeMemories(): LargeMemory[] {
  memories = memories.filter((memory) => memory.deref() !== undefined);
  return memories.flatMap((memory) => memory.deref() ?? []);
}

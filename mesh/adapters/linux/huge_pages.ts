/**
 * Moves large, long-lived memories into huge pages of 2 MiB, in the background.
 *
 * Random reads of a table of 300 MB in pages of 4 KiB miss the translation cache. V8 reserves 4 GiB
 * for a WebAssembly memory and makes it accessible as it grows, too little at a time for the kernel
 * to use huge pages by itself; other memories get none where the system gives them on request only.
 * `MADV_COLLAPSE` copies the present pages into a huge page, whatever
 * its history. Lookups and updates of tables with 1 to 4 million rows take 5 to 20 % less core
 * time.
 *
 * One chunk of 2 MiB takes 1 to 4 ms, on a saturated machine 20 ms, during which reads of that
 * chunk wait, so chunks are spread over time. Results do not depend on any of this.
 *
 * @see https://man7.org/linux/man-pages/man2/madvise.2.html
 */
import type { Clock, Timer } from "../../ports/clock.ts";
import { untilNextMoment } from "../../runtime/common_moments.ts";
import type { LargeMemory } from "../../../structures/large_memories.ts";
import { type Libc, openLibc } from "./libc.ts";

const MADV_COLLAPSE = 25;
const HUGE_PAGE_BYTES = 2 ** 21;
/**
 * Smaller memories have few translation misses. The tables of a replica's shards are read together,
 * so that each of them may be smaller than what a processor translates without a miss (8 MiB).
 */
const MEMORY_BYTES_MIN = 4 * 2 ** 20;
/** Shortest pause after a chunk, ms: 300 MiB are done in four seconds. */
const PAUSE_MS_MIN = 20;
/**
 * Pause after a chunk as a multiple of its duration: a busy machine gets longer pauses, and lookups
 * meet a chunk under way for at most a tenth of the time.
 */
const PAUSE_PER_CHUNK = 10;
/** Pause while no memory has a chunk left, ms. */
const IDLE_INTERVAL_MS = 1_000;
/**
 * Chunks refused before the first that is moved, after which no more are tried: the kernel is too
 * old.
 */
const REFUSALS_MAX = 8;
/**
 * Idle intervals at most until refused chunks are tried again: where the system is out of memory,
 * each try searches for it.
 */
const RETRY_IDLES_MAX = 64;

/** How far a memory has been moved. */
interface Progress {
  /** Address of the first chunk that was not tried. */
  next: number;
  /** Chunks that were refused: they have not been written yet, or the system is out of memory. */
  readonly refused: number[];
  /** Number of these that are tried again before the next idle interval. */
  retries: number;
}

/** Collapses the memories of one thread. */
export class HugePages {
  readonly #madvise: Libc["madvise"];
  readonly #memories: () => Iterable<LargeMemory>;
  readonly #progress = new WeakMap<LargeMemory, Progress>();
  /** Chunks refused so far; none counts once a chunk was moved. */
  #refusals = 0;
  /** Idle intervals until refused chunks are tried again. */
  #idlesLeft = 1;
  /** These after the next tries; doubled with them, until a chunk is moved. */
  #retryIdles = 1;

  /** @param memories The memories of this thread, asked again for every chunk. */
  constructor(madvise: Libc["madvise"], memories: () => Iterable<LargeMemory>) {
    this.#madvise = madvise;
    this.#memories = memories;
  }

  /**
   * Undefined where huge pages cannot be had: the system is not Linux, or its administrator wrote
   * `never` into `/sys/kernel/mm/transparent_hugepage/enabled`.
   */
  static open(memories: () => Iterable<LargeMemory>): HugePages | undefined {
    const libc = openLibc();
    return libc !== undefined && areAllowed() ? new HugePages(libc.madvise, memories) : undefined;
  }

  /** Collapses chunk after chunk, with pauses, until it is stopped. */
  static start(clock: Clock, memories: () => Iterable<LargeMemory>): { stop(): void } {
    const pages = HugePages.open(memories);
    let timer: Timer | undefined;
    let stopped = false;
    const next = async () => {
      const begunMs = clock.monotonicMs();
      const outcome = await pages?.collapseNext() ?? "unavailable";
      if (stopped || outcome === "unavailable") return;
      const chunkMs = clock.monotonicMs() - begunMs;
      const pauseMs = Math.max(PAUSE_MS_MIN, PAUSE_PER_CHUNK * chunkMs);
      const idleMs = untilNextMoment(clock, IDLE_INTERVAL_MS);
      timer = clock.schedule(outcome === "done" ? pauseMs : idleMs, next);
    };
    if (pages !== undefined) timer = clock.schedule(IDLE_INTERVAL_MS, next);
    return {
      stop() {
        stopped = true;
        timer?.cancel();
      },
    };
  }

  /**
   * Collapses the next chunk that lies wholly in a memory.
   *
   * @returns "idle" where none is left; chunks that were refused are tried again after that, more
   * rarely after each time in vain. "unavailable" after too many refusals and no success.
   */
  async collapseNext(): Promise<"done" | "idle" | "unavailable"> {
    if (this.#refusals >= REFUSALS_MAX) return "unavailable";
    for (const memory of this.#memories()) {
      const { buffer, usedBytes = buffer.byteLength } = memory;
      if (buffer.byteLength < MEMORY_BYTES_MIN) continue;
      const begin = addressOf(buffer);
      const progress = this.#progressOf(memory, begin);
      const address = nextChunk(progress, begin + usedBytes);
      if (address === undefined) continue;
      const status = await this.#madvise(BigInt(address), BigInt(HUGE_PAGE_BYTES), MADV_COLLAPSE);
      if (status === 0) {
        this.#refusals = -Infinity;
        this.#idlesLeft = this.#retryIdles = 1;
      } else {
        this.#refusals++;
        progress.refused.push(address);
      }
      return "done";
    }
    if (--this.#idlesLeft === 0) this.#retry();
    return "idle";
  }

  /** Has all refused chunks tried again. */
  #retry(): void {
    this.#idlesLeft = this.#retryIdles;
    this.#retryIdles = Math.min(2 * this.#retryIdles, RETRY_IDLES_MAX);
    for (const memory of this.#memories()) {
      const progress = this.#progress.get(memory);
      if (progress !== undefined) progress.retries = progress.refused.length;
    }
  }

  #progressOf(memory: LargeMemory, begin: number): Progress {
    const known = this.#progress.get(memory);
    if (known !== undefined) return known;
    const progress = { next: roundUp(begin), refused: [], retries: 0 };
    this.#progress.set(memory, progress);
    return progress;
  }
}

/** A chunk that was not tried and ends at `end` or before, else a refused one. */
function nextChunk(progress: Progress, end: number): number | undefined {
  const address = progress.next;
  if (address + HUGE_PAGE_BYTES <= end) {
    progress.next += HUGE_PAGE_BYTES;
    return address;
  }
  if (progress.retries === 0) return undefined;
  progress.retries--;
  return progress.refused.shift();
}

function areAllowed(): boolean {
  try {
    const enabled = Deno.readTextFileSync("/sys/kernel/mm/transparent_hugepage/enabled");
    return !enabled.includes("[never]");
  } catch {
    return false;
  }
}

function addressOf(buffer: ArrayBufferLike): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer))));
}

function roundUp(address: number): number {
  return Math.ceil(address / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
}

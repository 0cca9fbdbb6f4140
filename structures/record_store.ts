/**
 * An arena for records of any size that are dropped roughly in the order in which they came.
 *
 * Records that live for minutes, as arrays of their own, weigh on the garbage collector, which
 * marks the whole heap each time that arrays have grown by some megabytes. Here they are packed
 * into chunks of 256 KiB that are used again, and a record's address is a number.
 *
 * A chunk's memory is free when all of its records are removed: one record keeps its whole chunk.
 * An owner that must bound {@link RecordStore.bytes} moves the records of a {@link
 * RecordStore.takeSparse sparse chunk} elsewhere.
 *
 * Chunks are shared memory because V8 does not count that towards the next collection; nothing is
 * shared.
 */
import { invariant, present } from "./invariant.ts";
import { NumberMemory } from "./number_memory.ts";

/** Memory that holds records. */
export interface Chunk {
  readonly memory: NumberMemory;
  /** The same memory as float64. */
  readonly doubles: Float64Array;
}

/**
 * The number of a record's chunk and the double at which the record begins there, in one number.
 */
export type RecordAddress = number;

/** A chunk of which less than half is in use. */
export interface SparseChunk {
  /** Address of its first record, removed or not; each record follows the one before it. */
  readonly begin: RecordAddress;
  /** Records that are not removed. */
  readonly records: number;
}

interface CountedChunk extends Chunk {
  readonly number: number;
  /** Doubles that were given out. */
  filled: number;
  /** Doubles of records that were not removed. */
  used: number;
  /** Records that were not removed. */
  records: number;
}

const CHUNK_DOUBLES = 2 ** 15;
/** Chunks without records that wait for the next ones. */
const SPARE_CHUNKS_MAX = 16;

/**
 * An arena for records.
 *
 * @example
 * ```ts
 * import { RecordStore } from "./record_store.ts";
 *
 * const store = new RecordStore();
 * const address = store.reserve(16);
 * store.chunkOf(address).doubles[store.beginOf(address) + 1] = 0.5;
 * store.remove(address, 16);
 * ```
 */
export class RecordStore {
  /** By number. The number of a chunk that was given up goes to the next one. */
  readonly #chunks: (CountedChunk | undefined)[] = [];
  readonly #numbersFree: number[] = [];
  readonly #spare: CountedChunk[] = [];
  /** Chunks with records that use less than half of them; not the newest. */
  readonly #sparse = new Set<CountedChunk>();
  #newest: CountedChunk | undefined;
  #bytes = 0;

  /** Memory of all chunks, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Room for a record, with undefined contents.
   *
   * @param bytes At least 1.
   */
  reserve(bytes: number): RecordAddress {
    const doubles = Math.ceil(bytes / 8);
    invariant(doubles > 0, "a record has at least one byte");
    const chunk = this.#chunkFor(doubles);
    const address = chunk.number * CHUNK_DOUBLES + chunk.filled;
    chunk.filled += doubles;
    chunk.used += doubles;
    chunk.records++;
    return address;
  }

  /** The chunk in which the record lies. */
  chunkOf(address: RecordAddress): Chunk {
    return this.#chunkAt(address);
  }

  /** The double of its chunk at which the record begins. */
  beginOf(address: RecordAddress): number {
    return address % CHUNK_DOUBLES;
  }

  /**
   * Drops a record, once: its address may be another record's from then on.
   *
   * @param bytes As reserved.
   */
  remove(address: RecordAddress, bytes: number): void {
    const chunk = this.#chunkAt(address);
    chunk.records--;
    chunk.used -= Math.ceil(bytes / 8);
    invariant(
      chunk.records >= 0 && (chunk.records === 0) === (chunk.used === 0),
      "a record is removed once, with the bytes that it was reserved with",
    );
    if (chunk.records > 0) return this.#noteSparse(chunk);
    this.#sparse.delete(chunk);
    chunk.filled = 0;
    if (chunk === this.#newest) return;
    if (chunk.doubles.length === CHUNK_DOUBLES && this.#spare.length < SPARE_CHUNKS_MAX) {
      this.#spare.push(chunk);
      return;
    }
    this.#chunks[chunk.number] = undefined;
    this.#numbersFree.push(chunk.number);
    this.#bytes -= 8 * chunk.doubles.length;
  }

  /**
   * A chunk whose records the caller will move: reserve, copy, remove. The chunk is free after its
   * last record. Undefined if every chunk but the newest is at least half in use.
   */
  takeSparse(): SparseChunk | undefined {
    const [chunk] = this.#sparse;
    if (chunk === undefined) return undefined;
    this.#sparse.delete(chunk);
    return { begin: chunk.number * CHUNK_DOUBLES, records: chunk.records };
  }

  #noteSparse(chunk: CountedChunk): void {
    const { records, used, doubles } = chunk;
    if (chunk !== this.#newest && records > 0 && 2 * used < doubles.length) this.#sparse.add(chunk);
  }

  #chunkAt(address: RecordAddress): CountedChunk {
    const chunk = this.#chunks[Math.floor(address / CHUNK_DOUBLES)];
    return present(chunk, "an address is used until its record is removed");
  }

  /** A record larger than a chunk gets a chunk of its own. */
  #chunkFor(doubles: number): CountedChunk {
    const newest = this.#newest;
    if (newest !== undefined && newest.filled + doubles <= newest.doubles.length) return newest;
    if (doubles > CHUNK_DOUBLES) return this.#makeChunk(doubles);
    this.#newest = this.#spare.pop() ?? this.#makeChunk(CHUNK_DOUBLES);
    if (newest !== undefined) this.#noteSparse(newest);
    return this.#newest;
  }

  #makeChunk(doubles: number): CountedChunk {
    const buffer = new SharedArrayBuffer(8 * doubles);
    const number = this.#numbersFree.pop() ?? this.#chunks.length;
    this.#bytes += buffer.byteLength;
    return this.#chunks[number] = {
      memory: new NumberMemory(buffer),
      doubles: new Float64Array(buffer),
      number,
      filled: 0,
      used: 0,
      records: 0,
    };
  }
}

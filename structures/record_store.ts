/**
 * Bytes of what the window holds of each ranking. They stay for half an hour, and there is a new one with each ranking:
 * as arrays of their own they would weigh on the garbage collector, which marks the whole heap each time that arrays
 * have grown by some megabytes. Here they lie in chunks that are used again, and a place is a number. A chunk's memory is
 * free when all its records are; they go in the order in which they came, but for the few that are decided early.
 *
 * Chunks are shared memory for that reason alone: V8 leaves it out of what makes a collection due.
 */
import { NumberMemory } from "./number_memory.ts";

/** Memory that holds records. */
export interface Chunk {
  readonly memory: NumberMemory;
  /** The same memory as float64. */
  readonly doubles: Float64Array;
}

/** Where a record lies: its chunk's number and the double at which it begins, in one number. */
export type RecordPlace = number;

interface CountedChunk extends Chunk {
  readonly number: number;
  /** Doubles. */
  filled: number;
  /** Records that were not let go. */
  records: number;
}

const CHUNK_DOUBLES = 2 ** 15;
/** Chunks without records that are kept for the next ones. */
const SPARE_CHUNKS_MAX = 16;

export class RecordStore {
  /** By number; those that are not used any more leave theirs to the next. */
  readonly #chunks: (CountedChunk | undefined)[] = [];
  readonly #numbersFree: number[] = [];
  readonly #spare: CountedChunk[] = [];
  #newest: CountedChunk | undefined;

  /**
   * Room for a record; what is there has to be overwritten.
   *
   * @param bytes At least 1.
   */
  reserve(bytes: number): RecordPlace {
    const doubles = Math.ceil(bytes / 8);
    const chunk = this.#chunkFor(doubles);
    const place = chunk.number * CHUNK_DOUBLES + chunk.filled;
    chunk.filled += doubles;
    chunk.records++;
    return place;
  }

  chunkOf(place: RecordPlace): Chunk {
    return this.#chunks[numberOf(place)]!;
  }

  /** Where in its chunk the record begins, doubles. */
  beginOf(place: RecordPlace): number {
    return place % CHUNK_DOUBLES;
  }

  /** Lets a record go, once: nothing can be read at its place any more. */
  remove(place: RecordPlace): void {
    const chunk = this.#chunks[numberOf(place)]!;
    if (--chunk.records > 0) return;
    chunk.filled = 0;
    if (chunk === this.#newest) return;
    if (chunk.doubles.length === CHUNK_DOUBLES && this.#spare.length < SPARE_CHUNKS_MAX) {
      this.#spare.push(chunk);
      return;
    }
    this.#chunks[chunk.number] = undefined;
    this.#numbersFree.push(chunk.number);
  }

  #chunkFor(doubles: number): CountedChunk {
    const newest = this.#newest;
    if (newest !== undefined && newest.filled + doubles <= newest.doubles.length) return newest;
    if (doubles > CHUNK_DOUBLES) return this.#makeChunk(doubles);
    return this.#newest = this.#spare.pop() ?? this.#makeChunk(CHUNK_DOUBLES);
  }

  #makeChunk(doubles: number): CountedChunk {
    const buffer = new SharedArrayBuffer(8 * doubles);
    const number = this.#numbersFree.pop() ?? this.#chunks.length;
    return this.#chunks[number] = {
      memory: new NumberMemory(buffer),
      doubles: new Float64Array(buffer),
      number,
      filled: 0,
      records: 0,
    };
  }
}

function numberOf(place: RecordPlace): number {
  return Math.floor(place / CHUNK_DOUBLES);
}

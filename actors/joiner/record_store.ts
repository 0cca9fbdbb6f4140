/**
 * Bytes of what the window holds of each ranking. They stay for half an hour, and there is a new one with each ranking:
 * as arrays of their own they would weigh on the garbage collector, which marks the whole heap each time that arrays
 * have grown by some megabytes. Here they lie in chunks that are used again.
 *
 * Chunks are shared memory for that reason alone: V8 leaves it out of what makes a collection due.
 */
import { NumberMemory } from "../../kernels/features/number_memory.ts";

interface Chunk {
  readonly memory: NumberMemory;
  filled: number;
  /** Records that were not let go. */
  records: number;
}

/** Where a record lies: where its chunk's memory begins to be the record's, a multiple of 4 bytes. */
export interface RecordPlace {
  readonly chunk: Chunk;
  readonly begin: number;
}

const CHUNK_BYTES = 256 * 1024;
/** Chunks without records that are kept for the next ones. */
const SPARE_CHUNKS_MAX = 16;

export class RecordStore {
  #newest: Chunk | undefined;
  readonly #spare: Chunk[] = [];
  #bytes = 0;

  /**
   * In the chunks that hold a record: a record that was let go counts until those beside it are. They go in the order
   * in which they came, but for the few that are decided early.
   */
  get bytes(): number {
    return this.#bytes;
  }

  put(record: Uint8Array): RecordPlace {
    const bytes = 4 * Math.ceil(record.byteLength / 4);
    const chunk = this.#chunkFor(bytes);
    const begin = chunk.filled;
    chunk.memory.bytes.set(record, begin);
    chunk.filled += bytes;
    chunk.records++;
    this.#bytes += bytes;
    return { chunk, begin };
  }

  /** Lets a record go, once: nothing can be read at its place any more. */
  remove({ chunk }: RecordPlace): void {
    if (--chunk.records > 0) return;
    this.#bytes -= chunk.filled;
    chunk.filled = 0;
    if (chunk === this.#newest) return;
    if (chunk.memory.bytes.length === CHUNK_BYTES && this.#spare.length < SPARE_CHUNKS_MAX) {
      this.#spare.push(chunk);
    }
  }

  #chunkFor(bytes: number): Chunk {
    const newest = this.#newest;
    if (newest !== undefined && newest.filled + bytes <= newest.memory.bytes.length) return newest;
    if (bytes > CHUNK_BYTES) return chunkOf(bytes);
    return this.#newest = this.#spare.pop() ?? chunkOf(CHUNK_BYTES);
  }
}

function chunkOf(bytes: number): Chunk {
  return { memory: new NumberMemory(new SharedArrayBuffer(bytes)), filled: 0, records: 0 };
}

/**
 * Bytes of the records that the window holds. They stay for half an hour, and there is a new one with each ranking:
 * as arrays of their own they would weigh on the garbage collector, which marks the whole heap each time that arrays
 * have grown by some megabytes. Here they lie in chunks that are used again.
 *
 * Chunks are shared memory for that reason alone: V8 leaves it out of what makes a collection due.
 */
interface Chunk {
  readonly bytes: Uint8Array;
  filled: number;
  /** Records that were not let go. */
  records: number;
}

/** Where a record lies. */
export interface RecordPlace {
  readonly chunk: Chunk;
  readonly begin: number;
  readonly end: number;
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
    const chunk = this.#chunkFor(record.byteLength);
    const begin = chunk.filled;
    chunk.bytes.set(record, begin);
    chunk.filled += record.byteLength;
    chunk.records++;
    this.#bytes += record.byteLength;
    return { chunk, begin, end: chunk.filled };
  }

  /** The record's bytes, as an array of their own. */
  read({ chunk, begin, end }: RecordPlace): Uint8Array<ArrayBuffer> {
    return new Uint8Array(chunk.bytes.subarray(begin, end));
  }

  /** Lets a record go, once: nothing can be read at its place any more. */
  remove({ chunk }: RecordPlace): void {
    if (--chunk.records > 0) return;
    this.#bytes -= chunk.filled;
    chunk.filled = 0;
    if (chunk === this.#newest) return;
    if (chunk.bytes.byteLength === CHUNK_BYTES && this.#spare.length < SPARE_CHUNKS_MAX) {
      this.#spare.push(chunk);
    }
  }

  #chunkFor(bytes: number): Chunk {
    const newest = this.#newest;
    if (newest !== undefined && newest.filled + bytes <= newest.bytes.byteLength) return newest;
    if (bytes > CHUNK_BYTES) return chunkOf(bytes);
    return this.#newest = this.#spare.pop() ?? chunkOf(CHUNK_BYTES);
  }
}

function chunkOf(bytes: number): Chunk {
  return { bytes: new Uint8Array(new SharedArrayBuffer(bytes)), filled: 0, records: 0 };
}

/**
 * Reads frames from a stream. Each section is read into memory of its own, so that the receiver can
 * keep, pool or move one typed array without the others; the bytes of a large section go from the
 * socket to that memory.
 */
import type { ByteStream } from "./byte_stream.ts";
import { MalformedFrameError } from "./encoded_value.ts";
import { type Frame, HEADER_BYTES, readHeader } from "./frame.ts";

const BUFFER_BYTES = 64 * 1024;
/** Remaining bytes of a part from which they are not read through the buffer. */
const DIRECT_BYTES_MIN = 32 * 1024;

export class FrameReader {
  readonly #stream: Pick<ByteStream, "read">;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #begin = 0;
  #end = 0;

  constructor(stream: Pick<ByteStream, "read">) {
    this.#stream = stream;
  }

  /**
   * The next frame; undefined at the end of the stream.
   *
   * @param bytesMax Bytes of structure and sections at most.
   * @throws {MalformedFrameError} The bytes are not a frame, or the stream ends inside of one.
   */
  async next(bytesMax: number): Promise<Frame | undefined> {
    if (this.#end === this.#begin && !await this.#receive()) return undefined;
    const header = await this.#read(HEADER_BYTES);
    const view = new DataView(header.buffer);
    const { type, channel, structureBytes, sectionCount, sectionsBytes } = readHeader(
      view,
      bytesMax,
    );
    const lengths = new DataView((await this.#read(4 * sectionCount)).buffer);
    let left = sectionsBytes;
    for (let i = 0; i < sectionCount; i++) left -= lengths.getUint32(4 * i, true);
    if (left !== 0) throw new MalformedFrameError("the lengths of its sections do not add up");
    const structure = await this.#read(structureBytes);
    const sections: Uint8Array<ArrayBuffer>[] = [];
    for (let i = 0; i < sectionCount; i++) {
      sections.push(await this.#read(lengths.getUint32(4 * i, true)));
    }
    return { type, channel, structure, sections };
  }

  /** Exactly so many bytes, in memory of their own. */
  async #read(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const buffered = Math.min(count - filled, this.#end - this.#begin);
      if (buffered > 0) {
        bytes.set(this.#buffer.subarray(this.#begin, this.#begin + buffered), filled);
        this.#begin += buffered;
        filled += buffered;
      } else if (count - filled >= DIRECT_BYTES_MIN) {
        const read = await this.#stream.read(bytes.subarray(filled));
        if (read === null) throw endInside();
        filled += read;
      } else if (!await this.#receive()) throw endInside();
    }
    return bytes;
  }

  /** Fills the empty buffer; false at the end of the stream. */
  async #receive(): Promise<boolean> {
    const read = await this.#stream.read(this.#buffer);
    this.#begin = 0;
    this.#end = read ?? 0;
    return read !== null;
  }
}

function endInside(): MalformedFrameError {
  return new MalformedFrameError("the stream ends in the middle of it");
}

/**
 * Reads the blocks of one segment file through a buffer.
 */
import type { Files, OpenFile } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import { BLOCK_HEADER_BYTES, decodeHeader, isIntact } from "./segment_block.ts";
import { readAt } from "./segment_files.ts";

const CHUNK_BYTES = 256 * 1024;

export class SegmentBlocks {
  readonly #file: OpenFile;
  #chunk: Uint8Array<ArrayBuffer>;
  /** Byte of the file at which the chunk begins; -1 when it holds nothing. */
  #chunkPosition = -1;
  #chunkLength = 0;
  /**
   * The buffered block that was found intact last, or NaN. A large block is read in several calls
   * and verified once.
   */
  #intactPosition = NaN;

  /**
   * @param chunk Memory for the buffer, from {@link SegmentBlocks.close} of another file.
   * @throws {Error} Named `NotFound`, when there is no such file.
   */
  constructor(path: string, files: Files = denoFiles, chunk = new Uint8Array(CHUNK_BYTES)) {
    this.#file = files.openSync(path, { read: true });
    this.#chunk = chunk;
  }

  /** Length of the file, bytes. */
  get fileBytes(): number {
    return this.#file.statSync().size;
  }

  /** The block at a byte, valid until the next call; undefined where the file ends within it. */
  blockAt(position: number): Uint8Array | undefined {
    const header = this.bytesAt(position, BLOCK_HEADER_BYTES);
    if (!header) return undefined;
    return this.bytesAt(position, BLOCK_HEADER_BYTES + decodeHeader(header).payloadBytes);
  }

  /** Whether the block at a byte is intact; a block that stays in the buffer is verified once. */
  isIntactAt(position: number): boolean {
    const block = this.blockAt(position);
    if (this.#intactPosition === position) return true;
    if (block === undefined || !isIntact(block)) return false;
    this.#intactPosition = position;
    return true;
  }

  /** Some bytes of the file, valid until the next call; undefined where it ends before. */
  bytesAt(position: number, length: number): Uint8Array | undefined {
    let at = position - this.#chunkPosition;
    if (this.#chunkPosition < 0 || at < 0 || at + length > this.#chunkLength) {
      if (length > this.#chunk.byteLength) {
        // The header may be damaged: its length is believed only as far as the file goes.
        if (position + length > this.fileBytes) return undefined;
        this.#chunk = new Uint8Array(length);
      }
      this.#chunkLength = readAt(this.#file, position, this.#chunk);
      this.#chunkPosition = position;
      this.#intactPosition = NaN;
      at = 0;
    }
    return at + length <= this.#chunkLength ? this.#chunk.subarray(at, at + length) : undefined;
  }

  /** Drops buffered bytes: the next call reads the file again. */
  forget(): void {
    this.#chunkPosition = -1;
    this.#intactPosition = NaN;
  }

  /** Closes the file; returns the buffer's memory for another one. */
  close(): Uint8Array<ArrayBuffer> {
    this.#file.close();
    return this.#chunk;
  }
}

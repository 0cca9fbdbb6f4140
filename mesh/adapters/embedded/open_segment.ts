/**
 * The newest segment of a partition, open for appending. A failed write is undone; the caller
 * decides how a failed sync ends.
 */
import {
  type Files,
  isNotFound,
  type OpenFile,
  type PageRelease,
  SEEK_START,
} from "../../ports/files.ts";
import { syncDirectory } from "./durable_directory.ts";

export class OpenSegment {
  readonly path: string;
  readonly #file: OpenFile;
  readonly #pages: PageRelease;
  /** The position of `#file`; NaN = unknown. */
  #cursor = NaN;
  #bytes: number;
  #isClosed = false;

  private constructor(files: Files, path: string, file: OpenFile, bytes: number) {
    this.path = path;
    this.#file = file;
    this.#bytes = bytes;
    this.#pages = files.releasePages(path, bytes);
  }

  /** Opens a segment whose blocks end at `bytes`. */
  static open(files: Files, path: string, bytes: number): OpenSegment {
    return new OpenSegment(files, path, files.openSync(path, { read: true, write: true }), bytes);
  }

  /**
   * Makes an empty segment. A file that cannot be made durable is removed: while it is there, an
   * opening of the log would look into it alone.
   *
   * @param onStays Called when it cannot be removed either.
   * @throws {Error} When it cannot be made.
   */
  static create(
    files: Files,
    directory: string,
    path: string,
    onStays: (cause: unknown) => void,
  ): OpenSegment {
    let file: OpenFile | undefined;
    try {
      file = files.openSync(path, { create: true, truncate: true, read: true, write: true });
      syncDirectory(directory, files);
      return new OpenSegment(files, path, file, 0);
    } catch (cause) {
      file?.close();
      try {
        files.removeSync(path);
      } catch (error) {
        if (!isNotFound(error)) onStays(cause);
      }
      throw cause;
    }
  }

  /** The end of the last block, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes a block behind the last one. After a failure the segment ends where it ended before. */
  write(block: Uint8Array): void {
    try {
      if (this.#bytes !== this.#cursor) this.#file.seekSync(this.#bytes, SEEK_START);
      this.#cursor = NaN;
      for (let at = 0; at < block.byteLength;) at += this.#file.writeSync(block.subarray(at));
    } catch (error) {
      this.#truncate();
      throw error;
    }
    this.#bytes += block.byteLength;
    this.#cursor = this.#bytes;
  }

  /**
   * Takes the bytes of a failed write back. Where that fails too, the next block overwrites them,
   * and an opening truncates them as torn.
   */
  #truncate(): void {
    try {
      this.#file.truncateSync(this.#bytes);
    } catch { /* see above */ }
  }

  /** Makes the blocks durable that are written. */
  async sync(): Promise<void> {
    const bytes = this.#bytes;
    await this.#file.syncData();
    if (!this.#isClosed) this.#pages.follow(bytes);
  }

  /** As {@link sync}, and keeps the thread waiting. */
  syncNow(): void {
    this.#file.syncDataSync();
  }

  /** Closes the file. Resolves when its pages are released. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#file.close();
    return this.#pages.close();
  }
}

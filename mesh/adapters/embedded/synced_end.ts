/**
 * How far the records of a partition were synced, in a file that is overwritten after each sync and
 * before the appends are answered:
 *
 *     byte
 *        0  f64  offset after the last synced record
 *        8  u32  CRC-32 of bytes 0 to 7
 *
 * The file itself is not synced. Where only the process ends, by a kill too, it covers every record
 * that was answered. A power failure may leave an older or a torn one, which says less or nothing.
 */
import { crc32 } from "node:zlib";
import { type Files, type OpenFile, SEEK_START } from "../../ports/files.ts";
import { readFileIfAny } from "./small_file.ts";

const BYTES = 12;
const CHECKSUM_AT = 8;

/** The file in a partition's directory. */
export function syncedEndPath(directory: string): string {
  return `${directory}/synced`;
}

/** The stored offset; undefined where there is none, or it is not intact. */
export function readSyncedEnd(directory: string, files: Files): number | undefined {
  const bytes = readFileIfAny(syncedEndPath(directory), files);
  if (bytes?.byteLength !== BYTES) return undefined;
  const view = new DataView(bytes.buffer);
  const isIntact = view.getUint32(CHECKSUM_AT, true) === crc32(bytes.subarray(0, CHECKSUM_AT));
  return isIntact ? view.getFloat64(0, true) : undefined;
}

export class SyncedEnd {
  readonly #file: OpenFile;
  readonly #bytes = new Uint8Array(BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(directory: string, files: Files) {
    this.#file = files.openSync(syncedEndPath(directory), { create: true, write: true });
  }

  /** Stores the offset. A failure changes nothing: the log is whole without. */
  store(offset: number): void {
    this.#view.setFloat64(0, offset, true);
    this.#view.setUint32(CHECKSUM_AT, crc32(this.#bytes.subarray(0, CHECKSUM_AT)), true);
    try {
      this.#file.seekSync(0, SEEK_START);
      this.#file.writeSync(this.#bytes);
    } catch { /* as above */ }
  }

  close(): void {
    this.#file.close();
  }
}

/**
 * Tries whether a disk that took no write takes one again.
 */
import type { Files } from "../../ports/files.ts";
import { TEMPORARY_SUFFIX } from "./small_file.ts";

/** Bytes that must fit on the disk before a log that could not be written counts as mended. */
const PROBE_BYTES = 64 * 1024;

/** Whether a file can be written in the directory; it is removed again. */
export function isWritable(directory: string, files: Files): boolean {
  const path = `${directory}/probe${TEMPORARY_SUFFIX}`;
  let written = false;
  try {
    writeProbe(path, files);
    written = true;
  } catch { /* still no room */ }
  try {
    files.removeSync(path);
  } catch { /* it was not made */ }
  return written;
}

function writeProbe(path: string, files: Files): void {
  const file = files.openSync(path, { create: true, truncate: true, write: true });
  try {
    for (let bytes = 0; bytes < PROBE_BYTES;) {
      bytes += file.writeSync(new Uint8Array(PROBE_BYTES - bytes));
    }
  } finally {
    file.close();
  }
}

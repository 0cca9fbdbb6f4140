/**
 * A partition on disk: a directory of segment files, each named for the offset of its first record.
 */
import { type Files, type OpenFile, SEEK_START } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";

export interface SegmentFile {
  readonly path: string;
  readonly firstOffset: number;
}

const SUFFIX = ".segment";

export function segmentPath(directory: string, firstOffset: number): string {
  return `${directory}/${String(firstOffset).padStart(16, "0")}${SUFFIX}`;
}

/** Segments by first offset, ascending. */
export function listSegments(directory: string, files: Files = denoFiles): SegmentFile[] {
  const segments: SegmentFile[] = [];
  for (const entry of files.readDirSync(directory)) {
    if (!entry.isFile || !entry.name.endsWith(SUFFIX)) continue;
    const firstOffset = Number(entry.name.slice(0, -SUFFIX.length));
    segments.push({ path: `${directory}/${entry.name}`, firstOffset });
  }
  return segments.sort((a, b) => a.firstOffset - b.firstOffset);
}

/** Fills `bytes` from `position` of the file; returns how many there were before its end. */
export function readAt(file: OpenFile, position: number, bytes: Uint8Array): number {
  file.seekSync(position, SEEK_START);
  let filled = 0;
  while (filled < bytes.byteLength) {
    const read = file.readSync(bytes.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return filled;
}

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
const TORN_SUFFIX = ".torn";

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

/** The path of a segment's tail that is truncated at a byte. */
export function tornTailPath(segment: string, position: number): string {
  return `${segment}.${position}${TORN_SUFFIX}`;
}

/** Truncated tails, each with the first offset of its segment. */
export function listTornTails(directory: string, files: Files): SegmentFile[] {
  const names = [...files.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => name.endsWith(TORN_SUFFIX));
  return names.map((name) => ({
    path: `${directory}/${name}`,
    firstOffset: Number(name.slice(0, name.indexOf("."))),
  }));
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

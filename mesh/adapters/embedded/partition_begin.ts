/**
 * The beginning of a partition: a trim removes whole segments, so the oldest segment alone does not
 * say whether segments before it are missing. An empty file is named for the offset of the first
 * segment that the partition must have, and is renamed before segments are removed. A rename needs
 * no space, so a full disk can be trimmed.
 *
 *     0/0000000000052113.begin
 */
import type { Files } from "../../ports/files.ts";
import { syncDirectory, syncDirectoryAsync } from "./durable_directory.ts";
import { LogCorruptError } from "./segment_block.ts";
import { listSegments, segmentPath } from "./segment_files.ts";

/** Ends the name of the file. */
export const BEGIN_SUFFIX = ".begin";

function beginName(offset: number): string {
  return `${String(offset).padStart(16, "0")}${BEGIN_SUFFIX}`;
}

/** The stored beginnings, ascending; one, unless a copy was made during a trim. */
function storedBegins(directory: string, files: Files): number[] {
  return [...files.readDirSync(directory)]
    .filter(({ name }) => name.endsWith(BEGIN_SUFFIX))
    .map(({ name }) => Number(name.slice(0, -BEGIN_SUFFIX.length)))
    .sort((a, b) => a - b);
}

/**
 * Checks that the oldest segments are there.
 *
 * @param floor Records before it are trimmed, for a partition without a stored beginning.
 * @returns The beginning; undefined where none is stored.
 * @throws {LogCorruptError} Segments that no trim has removed are missing.
 */
export function requireBegin(directory: string, floor: number, files: Files): number | undefined {
  const stored = storedBegins(directory, files).at(-1);
  const begin = Math.max(stored ?? 0, floor);
  const [oldest] = listSegments(directory, files);
  if (oldest === undefined || oldest.firstOffset <= begin) return stored;
  throw new LogCorruptError(
    segmentPath(directory, stored ?? 0),
    undefined,
    `the file is missing, with records ${begin} to ${oldest.firstOffset - 1}, and no trim has ` +
      "removed it",
    stored === undefined ? undefined : `or go on without these records: rename ` +
      `${directory}/${beginName(stored)} to ${beginName(oldest.firstOffset)}. Events on their ` +
      "rankings are refused then, and examples in them are not learned again",
  );
}

/** Keeps the stored beginning of a partition that is open for writing. */
export class PartitionBegin {
  readonly #directory: string;
  readonly #files: Files;
  #offset: number;
  /** The last move. */
  #moved: Promise<void> = Promise.resolve();

  /**
   * @param floor Records before it are trimmed.
   * @throws {LogCorruptError} Segments that no trim has removed are missing.
   */
  constructor(directory: string, floor: number, files: Files) {
    this.#directory = directory;
    this.#files = files;
    const stored = requireBegin(directory, floor, files);
    this.#offset = stored ?? listSegments(directory, files).at(0)?.firstOffset ?? 0;
    if (stored !== undefined) return;
    files.openSync(`${directory}/${beginName(this.#offset)}`, { create: true, write: true })
      .close();
    syncDirectory(directory, files);
  }

  /**
   * Lets the segments before `offset` be removed. Resolves when that is durable.
   *
   * @throws {Error} The disk refuses it: no segment may be removed.
   */
  moveTo(offset: number): Promise<void> {
    const moved = this.#moved.catch(() => {}).then(() => this.#moveTo(offset));
    this.#moved = moved;
    return moved;
  }

  async #moveTo(offset: number): Promise<void> {
    // An earlier trim may have removed only some of the segments before it.
    if (offset <= this.#offset) return;
    const [from, to] = [this.#offset, offset].map((each) =>
      `${this.#directory}/${beginName(each)}`
    );
    await this.#files.rename(from, to);
    this.#offset = offset;
    await syncDirectoryAsync(this.#directory, this.#files);
  }
}

/**
 * The progress of an import, in the data directory, so that the same command goes on where an
 * interrupted one stopped.
 *
 * The file is written after each append, so it may be older than the log: the records after its
 * offsets tell the rest. A crash may have cut a visit: its missing records are appended again.
 */
import { join } from "node:path";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { CommandError } from "../errors.ts";

export interface Checkpoint {
  /** Names files and options; another import has another key. */
  readonly key: string;
  /** Visits whose records are in the log. */
  readonly visits: number;
  /** By partition of the event log, the offset after their last record. */
  readonly offsets: readonly number[];
  readonly isComplete: boolean;
}

const FILE = "import.json";

/**
 * The progress of this import in the data directory; undefined if it did not begin.
 *
 * @throws {CommandError} When another import was interrupted there, or the file is damaged.
 */
export async function readCheckpoint(folder: string, key: string): Promise<Checkpoint | undefined> {
  const path = join(folder, FILE);
  const text = await readText(path);
  if (text === undefined) return undefined;
  const checkpoint = parsed(text);
  if (checkpoint === undefined) {
    throw new CommandError(
      `Cannot go on with the import: ${path} is damaged. Import into an empty data directory.`,
    );
  }
  if (checkpoint.key === key) return checkpoint;
  if (checkpoint.isComplete) return undefined;
  throw new CommandError(
    `Another import into ${folder} was interrupted. Run it again with the files and options that ` +
      "it had, or import into an empty data directory.",
  );
}

/** Whether an import into the data directory was interrupted, so that a part of it is there. */
export async function isImportOpen(folder: string): Promise<boolean> {
  const text = await readText(join(folder, FILE));
  return text !== undefined && parsed(text)?.isComplete === false;
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  const path = join(folder, FILE);
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(checkpoint) + "\n");
  await Deno.rename(`${path}.new`, path);
}

function parsed(text: string): Checkpoint | undefined {
  try {
    const { key, visits, offsets, isComplete } = JSON.parse(text) as Partial<Checkpoint>;
    if (typeof key !== "string" || typeof isComplete !== "boolean") return undefined;
    if (typeof visits !== "number" || !Array.isArray(offsets)) return undefined;
    if (!offsets.every((offset) => Number.isSafeInteger(offset))) return undefined;
    return { key, visits, offsets, isComplete };
  } catch {
    return undefined;
  }
}

/** Records read at a time. */
const RECORDS_PER_READ = 1_024;

/** Ids of the rankings and events that the log holds from an offset of each partition on. */
export async function loggedSince(
  log: EventLog,
  offsets: readonly number[],
): Promise<{ readonly rankings: Set<string>; readonly events: Set<string> }> {
  const rankings = new Set<string>();
  const events = new Set<string>();
  for (const [partition, from] of offsets.entries()) {
    for (let at = from;;) {
      const records = await log.read(partition, at, RECORDS_PER_READ);
      if (records.length === 0) break;
      for (const { offset, bytes } of records) {
        const record = decodeEvent(bytes);
        if (record.kind === "impression") rankings.add(record.rankingId);
        if (record.kind === "action") events.add(record.eventId);
        at = offset + 1;
      }
    }
  }
  return { rankings, events };
}

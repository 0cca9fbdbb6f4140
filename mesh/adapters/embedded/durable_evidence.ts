/**
 * Evidence from the small files of a log of how far the records of a partition were durable.
 */
import type { Files } from "../../ports/files.ts";
import { denoFiles } from "../deno/deno_files.ts";
import type { CommittedOffsets } from "./committed_offsets.ts";
import type { DurableEvidence } from "./segment_recovery.ts";
import { readSyncedEnd, syncedEndPath } from "./synced_end.ts";

/**
 * The furthest offset: of a consumer, of the durable end or of the synced end.
 *
 * @param directory The partition's.
 * @throws {DamagedFileError}
 */
export function durableEvidence(
  directory: string,
  partition: number,
  offsets: CommittedOffsets,
  files: Files = denoFiles,
): DurableEvidence | undefined {
  const found: DurableEvidence[] = offsets.all()
    .filter((committed) => committed.partition === partition)
    .map(({ offset, consumer }) => ({ offset, path: offsets.path(consumer) }));
  const synced = readSyncedEnd(directory, files);
  if (synced !== undefined) found.push({ offset: synced, path: syncedEndPath(directory) });
  return found.sort((a, b) => b.offset - a.offset).at(0);
}

/**
 * How a server or a mesh goes on from the snapshot of a backup, with the example log that it has.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { exampleRanges } from "../../offline/data_directory/example_positions.ts";
import { cutProblem, rowsBehind } from "../../offline/data_directory/restore_snapshot.ts";
import { readManifest } from "../../records/snapshot_manifest.ts";
import type { RestoredExamples } from "../snapshot/restored_examples.ts";

export interface RestoreOutcome {
  /** Rows of the log behind it. */
  readonly rowsToLearn: number;
  /** Why trainers cannot learn on, in words. */
  readonly problem?: string;
  /** Whether a mesh keeps only later ones, so that parts begin from it only after a recovery. */
  readonly isOlder?: true;
}

/** @param blobs The store that has the snapshot. */
export async function outcomeOf(
  blobs: BlobStore,
  snapshot: string,
  { exampleLog, partitionsGrow, view }: RestoredExamples,
): Promise<RestoreOutcome> {
  const manifest = await readManifest(blobs, snapshot);
  if (exampleLog === undefined) {
    const isOfLog = manifest.trainers.some(({ offset }) => offset > 0);
    return { rowsToLearn: 0, ...(isOfLog && { problem: "there is no example log" }) };
  }
  const ranges = await exampleRanges(exampleLog);
  const problem = await cutProblem(manifest, exampleLog, ranges, partitionsGrow);
  const isOlder = view?.oldestSnapshot !== undefined && snapshot < view.oldestSnapshot;
  return {
    rowsToLearn: problem === undefined ? rowsBehind(manifest.trainers, ranges) : 0,
    ...(problem !== undefined && { problem }),
    ...(isOlder && { isOlder }),
  };
}

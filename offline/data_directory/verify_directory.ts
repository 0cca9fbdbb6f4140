/**
 * Checks all files of a data directory without changing them: both logs, the snapshots and the
 * profiles.
 */
import { DataDirectoryError } from "../../mesh/adapters/embedded/data_directory.ts";
import { verifyProfiles } from "../../mesh/adapters/embedded/verify_profiles.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { listQuarantines, readQuarantine } from "../../records/quarantine.ts";
import { listSnapshots } from "../../records/snapshot_manifest.ts";
import { isFile, isFolder, openExistingBlobs } from "./existing_stores.ts";
import type { Findings } from "./findings.ts";
import { verifyLog } from "./verify_log.ts";
import { verifySnapshot } from "./verify_snapshot.ts";

/**
 * @throws {DataDirectoryError} When the path is not a data directory.
 */
export async function verifyDirectory(directory: string): Promise<Findings> {
  const findings: Findings = { files: 0, problems: [], notes: [] };
  const parts = await Promise.all(
    ["events", "examples", "blobs"].map((name) => isFolder(`${directory}/${name}`)),
  );
  const [events, examples, blobs] = parts;
  if (!parts.includes(true)) {
    throw new DataDirectoryError(
      `${directory} is not a data directory: it has no events, examples or blobs. Give the folder ` +
        "that storage.path names.",
    );
  }
  if (events !== examples) {
    const missing = events ? "examples" : "events";
    findings.problems.push(`${directory}/${missing} is missing, and the other log is there`);
  }
  if (events) await verifyLog(`${directory}/events`, decodeEvent, findings);
  if (examples) await verifyLog(`${directory}/examples`, decodeExamples, findings);
  if (blobs) {
    await verifySnapshots(directory, findings);
    await verifyQuarantines(directory, findings);
  }
  if (await isFile(`${directory}/profiles.db`)) {
    findings.files++;
    findings.problems.push(...verifyProfiles(`${directory}/profiles.db`));
  }
  return findings;
}

async function verifySnapshots(directory: string, findings: Findings): Promise<void> {
  const blobs = await openExistingBlobs(directory);
  for (const name of await listSnapshots(blobs)) {
    const { parts, problems } = await verifySnapshot(blobs, name);
    findings.files += parts;
    findings.problems.push(...problems);
  }
}

async function verifyQuarantines(directory: string, findings: Findings): Promise<void> {
  const blobs = await openExistingBlobs(directory);
  for (const trainer of await listQuarantines(blobs)) {
    findings.files++;
    try {
      await readQuarantine(blobs, trainer);
    } catch (error) {
      findings.problems.push(reasonOf(error));
    }
  }
}

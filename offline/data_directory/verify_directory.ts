/**
 * Checks the data of a server without changing it: both logs, the snapshots and the profiles.
 */
import { DataDirectoryError } from "../../mesh/adapters/embedded/data_directory.ts";
import { verifyProfiles } from "../../mesh/adapters/embedded/verify_profiles.ts";
import { decodeEvent } from "../../records/event_record.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { listQuarantines, readQuarantine } from "../../records/quarantine.ts";
import { listSnapshots } from "../../records/snapshot_manifest.ts";
import { type DataPlaces, isFile, isFolder, openExistingBlobs } from "./existing_stores.ts";
import type { Findings } from "./findings.ts";
import { verifyLog } from "./verify_log.ts";
import { damageOf, verifySnapshot } from "./verify_snapshot.ts";

/**
 * Reads all of it, besides logs and profiles on a Redis server.
 *
 * @throws {DataDirectoryError} When the path is not a data directory.
 * @throws {BlobStoreError} When the bucket does not answer.
 */
export async function verifyData(places: DataPlaces): Promise<Findings> {
  const findings: Findings = { files: 0, problems: [], notes: [] };
  if (!places.logsOnRedis) await verifyLogs(places, findings);
  if (places.s3 !== undefined || await isFolder(`${places.directory}/blobs`)) {
    const blobs = await openExistingBlobs(places);
    await verifySnapshots(blobs, findings);
    await verifyQuarantines(blobs, findings);
  }
  return findings;
}

/** Reads the logs and the profiles in the directory. */
async function verifyLogs({ directory, s3 }: DataPlaces, findings: Findings): Promise<void> {
  const parts = await Promise.all(
    ["events", "examples", "blobs"].map((name) => isFolder(`${directory}/${name}`)),
  );
  const [events, examples] = parts;
  if (s3 === undefined && !parts.includes(true)) {
    throw new DataDirectoryError(
      `${directory} is not a data directory: it has no events, examples or blobs. Give the folder ` +
        "that storage.path names, or the configuration.",
    );
  }
  if (events !== examples) {
    const missing = events ? "examples" : "events";
    findings.problems.push(`${directory}/${missing} is missing, and the other log is there`);
  }
  if (events) await verifyLog(`${directory}/events`, decodeEvent, findings);
  if (examples) await verifyLog(`${directory}/examples`, decodeExamples, findings);
  if (await isFile(`${directory}/profiles.db`)) {
    findings.files++;
    findings.problems.push(...verifyProfiles(`${directory}/profiles.db`));
  }
}

async function verifySnapshots(blobs: BlobStore, findings: Findings): Promise<void> {
  for (const name of await listSnapshots(blobs)) {
    const { parts, problems } = await verifySnapshot(blobs, name);
    findings.files += parts;
    findings.problems.push(...problems);
  }
}

async function verifyQuarantines(blobs: BlobStore, findings: Findings): Promise<void> {
  for (const trainer of await listQuarantines(blobs)) {
    findings.files++;
    try {
      await readQuarantine(blobs, trainer);
    } catch (error) {
      findings.problems.push(damageOf(error));
    }
  }
}

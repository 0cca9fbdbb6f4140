/**
 * Opens the stores that a server or `cairn train --save` has made. Nothing is made where a path is
 * wrong.
 */
import { readLogHeader } from "../../mesh/adapters/embedded/log_header.ts";
import { DataDirectoryError } from "../../mesh/adapters/embedded/data_directory.ts";
import { EmbeddedEventLog } from "../../mesh/adapters/embedded/embedded_event_log.ts";
import type { S3Options } from "../../mesh/adapters/s3/s3_blob_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { blobsOf } from "../../server/machine/shared_storage.ts";

/** Where a server or a mesh keeps its data. */
export interface DataPlaces {
  /** The data directory: the logs, the profiles and the blobs that are nowhere else. */
  readonly directory: string;
  /** Whether the logs and the profiles are on a Redis server. */
  readonly logsOnRedis: boolean;
  /** Where the snapshots and all other blobs are in a bucket. */
  readonly s3?: S3Options;
}

/** All data in one directory. */
export function inDirectory(directory: string): DataPlaces {
  return { directory, logsOnRedis: false };
}

/**
 * The snapshots, from the store that the server uses.
 *
 * @throws {DataDirectoryError} When they would be in the directory, and it has none.
 */
export async function openExistingBlobs({ directory, s3 }: DataPlaces): Promise<BlobStore> {
  if (s3 === undefined && !await isFolder(`${directory}/blobs`)) {
    throw new DataDirectoryError(
      `${directory} holds no snapshot. Give the folder that storage.path names, after a server has ` +
        "learned in it, or the folder of train --save; where snapshots lie in a bucket, give the " +
        "configuration that names it.",
    );
  }
  return await blobsOf(directory, s3);
}

/** The place of the snapshots, in words. */
export function blobsPlace({ directory, s3 }: DataPlaces): string {
  return s3 === undefined ? directory : `the bucket ${s3.bucket} at ${s3.endpoint}`;
}

/**
 * The example log of a data directory, for writing; undefined where no server has used the
 * directory. The caller holds the directory's lock.
 *
 * @throws {LogCorruptError} When durable records are damaged or missing.
 */
export async function openExistingExamples(
  directory: string,
): Promise<EmbeddedEventLog | undefined> {
  const folder = `${directory}/examples`;
  const partitions = readLogHeader(folder);
  if (partitions === undefined) return undefined;
  return await EmbeddedEventLog.open({ directory: folder, partitions, mode: "write" });
}

/** Whether the path is a folder. */
export function isFolder(path: string): Promise<boolean> {
  return Deno.stat(path).then(({ isDirectory }) => isDirectory, () => false);
}

/** Whether the path is a file. */
export function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((found) => found.isFile, () => false);
}

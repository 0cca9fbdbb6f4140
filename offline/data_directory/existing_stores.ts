/**
 * Opens the stores of a data directory that a server or `cairn train --save` has made. Nothing is
 * made where a path is wrong.
 */
import { readLogHeader } from "../../mesh/adapters/embedded/log_header.ts";
import { DataDirectoryError } from "../../mesh/adapters/embedded/data_directory.ts";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { EmbeddedEventLog } from "../../mesh/adapters/embedded/embedded_event_log.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";

/**
 * The snapshots of a data directory.
 *
 * @throws {DataDirectoryError} When the directory has none.
 */
export async function openExistingBlobs(directory: string): Promise<BlobStore> {
  const folder = `${directory}/blobs`;
  if (!await isFolder(folder)) {
    throw new DataDirectoryError(
      `${directory} holds no snapshot. Give the folder that storage.path names, after a server has ` +
        "learned in it, or the folder of train --save.",
    );
  }
  return new DirectoryBlobStore(folder);
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

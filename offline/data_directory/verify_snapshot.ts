/**
 * Reads a whole snapshot and checks every part against its checksum.
 */
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import { type BlobStore, BlobStoreError } from "../../mesh/ports/blob_store.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { readManifest, type SnapshotManifest } from "../../records/snapshot_manifest.ts";
import { chainOf, decodePart, readPart, type SnapshotPart } from "../../records/snapshot_parts.ts";

export interface SnapshotVerdict {
  readonly name: string;
  /** Parts read, the manifest included. */
  readonly parts: number;
  readonly bytes: number;
  /** A sentence per damaged or missing part; empty where the snapshot is whole. */
  readonly problems: readonly string[];
}

/**
 * Reads all parts; a damaged part does not end the check.
 *
 * @throws {BlobStoreError} When the store does not give a part: it may be whole.
 */
export async function verifySnapshot(blobs: BlobStore, name: string): Promise<SnapshotVerdict> {
  let manifest: SnapshotManifest;
  try {
    manifest = await readManifest(blobs, name);
  } catch (error) {
    return { name, parts: 1, bytes: 0, problems: [damageOf(error)] };
  }
  const kernel = BatchKernel.create();
  const problems: string[] = [];
  let [parts, bytes] = [1, 0];
  const check = async (part: SnapshotPart, isMessagePack: boolean) => {
    parts++;
    bytes += part.bytes;
    try {
      const read = await readPart(blobs, kernel, part);
      if (isMessagePack) decodePart(read);
    } catch (error) {
      problems.push(damageOf(error));
    }
  };
  for (const { checkpoint } of manifest.trainers) await check(checkpoint, true);
  for (const { header, chunks } of manifest.shards.flatMap(chainOf)) {
    await check(header, true);
    for (const chunk of chunks) await check(chunk, false);
  }
  return { name, parts, bytes, problems };
}

/**
 * The damage that an error of a read tells of.
 *
 * @throws {BlobStoreError} The error itself, where it is of the store and tells of no damage.
 */
export function damageOf(error: unknown): string {
  if (error instanceof BlobStoreError) throw error;
  return reasonOf(error);
}

/**
 * Refuses a host whose blob store is not that of its mesh: the folder of a volume that is not
 * mounted, or the store of another mesh. Shards would write parts of snapshots there that no other
 * host finds, and two meshes would delete each other's snapshots.
 *
 * The first host puts its mark into the store and names itself in the coordination store. All hosts
 * look for that mark at their start, so a mark has the name of its host: of two hosts that begin at
 * once with different stores the coordination store takes one, and the other finds no such mark.
 */
import type { StorageSection } from "../configuration/sections/mesh.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type { Coordination, MeshIdentity } from "../mesh/ports/coordination.ts";
import { deleteMark, listMarks, putMark } from "../records/mesh_mark.ts";
import { listSnapshots } from "../records/snapshot_manifest.ts";

/** The blob store of a host is not that of its mesh. */
export class OtherBlobsError extends Error {
  override readonly name = "OtherBlobsError";
}

export interface OwnBlobs {
  readonly blobs: BlobStore;
  readonly coordination: Coordination;
  readonly identity: Pick<MeshIdentity, "mesh" | "blobsMarkedBy">;
  /** Name of the host that starts. */
  readonly host: string;
  /** Where the blobs are, in the words of the configuration. */
  readonly place: string;
}

/** @throws {OtherBlobsError} The message says what to do. */
export async function requireOwnBlobs(options: OwnBlobs): Promise<void> {
  const { blobs, identity: { mesh, blobsMarkedBy }, place } = options;
  const markedBy = blobsMarkedBy ?? await markBlobs(options);
  await requireNoOtherMesh({ blobs, mesh, place });
  const marks = await listMarks(blobs);
  if (marks.some((mark) => mark.mesh === mesh && mark.host === markedBy)) return;
  throw new OtherBlobsError(
    `${place} is not the store of this mesh: it lacks the mark of the host ${markedBy}. Give all ` +
      "hosts the same directory or bucket, and see whether its volume is mounted. Where the store " +
      "was emptied or made anew, `cairn recover --accept-loss` lets the hosts begin with it.",
  );
}

/** Marks the store for the mesh; resolves with the host whose mark the mesh has. */
async function markBlobs(options: OwnBlobs): Promise<string> {
  const { blobs, coordination, identity: { mesh }, host, place } = options;
  await requireNoOtherMesh({ blobs, mesh, place });
  const own = { mesh, host };
  // The mark stays where the answer is lost, since the mesh may have taken it.
  await putMark(blobs, own);
  const markedBy = await coordination.markBlobs(host);
  if (markedBy !== host) await deleteMark(blobs, own);
  return markedBy;
}

/**
 * Refuses a store with the snapshots of another mesh. One without any is free, whatever marks are
 * in it: a fail-over of the Redis server may have lost a mesh that had just begun.
 *
 * @throws {OtherBlobsError} The message says what to do.
 */
export async function requireNoOtherMesh(
  { blobs, mesh, place }: Pick<OwnBlobs, "blobs" | "place"> & Pick<MeshIdentity, "mesh">,
): Promise<void> {
  const others = (await listMarks(blobs)).filter((mark) => mark.mesh !== mesh);
  if (others.length === 0) return;
  if ((await listSnapshots(blobs)).length > 0) {
    throw new OtherBlobsError(
      `${place} has the snapshots of another mesh, of which ${
        others[0].host
      } is a host. Give this ` +
        "mesh a directory, a bucket or a prefix of its own. Where the other one is no more, or is " +
        "this one before its Redis server lost all data, `cairn recover --accept-loss` takes the " +
        "store over.",
    );
  }
  for (const mark of others) await deleteMark(blobs, mark);
}

/** The place of the blobs, in the words of the configuration. */
export function blobsPlaceOf(storage: StorageSection): string {
  if (storage.kind === "memory") return "storage";
  const { path, s3 } = storage;
  if (s3 === undefined) return `storage.path (${path})`;
  return `storage.s3 (bucket ${s3.bucket}${s3.prefix === "" ? "" : `, prefix ${s3.prefix}`})`;
}

/**
 * The blob store that a part of a mesh begins from. A store that lacks the mark of the mesh is the
 * folder of a volume that is not mounted, or was emptied; one without the snapshots that the mesh
 * keeps has lost them. A part that began from either would be without what it had learned, and the
 * example log may have no more of it.
 */
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import { listMarks, type MeshMark } from "./mesh_mark.ts";
import { readManifests, type SnapshotManifest } from "./snapshot_manifest.ts";

/** The blob store of a mesh, as its records have it; plain data. */
export interface OwnBlobs {
  /** Where it is, in the words of the configuration. */
  readonly place: string;
  /** Absent before a host has marked it. */
  readonly mark?: MeshMark;
  /** The oldest snapshot that the mesh keeps; absent before the first one is finished. */
  readonly oldestSnapshot?: string;
  /**
   * By partition of the example log, the first row that an operator has not given up; absent =
   * none were given up.
   */
  readonly examplesFrom?: readonly number[];
}

/** The blob store of a host is not that of its mesh. */
export class OtherBlobsError extends Error {
  override readonly name = "OtherBlobsError";
}

/** The blob store of a mesh lacks the snapshots that the mesh keeps. */
export class SnapshotsLostError extends Error {
  override readonly name = "SnapshotsLostError";
}

/**
 * The manifests from which a part may begin, newest first. The part compares what it has read: a
 * volume may go away after any earlier look.
 *
 * @param own Undefined = any finished snapshot will do, or none.
 * @throws {OtherBlobsError} The store lacks the mark of the mesh.
 * @throws {SnapshotsLostError} It has only older snapshots than the mesh keeps, or none.
 * @throws {Error} As {@link readManifests}.
 */
export async function readOwnManifests(
  blobs: BlobStore,
  own: OwnBlobs | undefined,
): Promise<SnapshotManifest[]> {
  const manifests = await readManifests(blobs);
  if (own !== undefined) await requireMark(blobs, own);
  if (own?.oldestSnapshot === undefined) return manifests;
  const { place, oldestSnapshot } = own;
  // A pinned one may be older: the example log need not have all that it has not learned.
  const kept = manifests.filter(({ name }) => name >= oldestSnapshot);
  if (kept.length > 0) return kept;
  const newest = manifests.at(0)?.name;
  throw new SnapshotsLostError(
    `${place} lacks ${oldestSnapshot} and all later snapshots that this mesh has taken; ` +
      `${
        newest === undefined ? "it has none" : `its newest is ${newest}`
      }. Put them back, or see ` +
      "whether the right volume is mounted. Where they are lost, `cairn recover --accept-loss` " +
      "lets the mesh go on without them, and says what is lost.",
  );
}

/**
 * Checks that a store has the mark of the mesh.
 *
 * @throws {OtherBlobsError} It lacks the mark.
 */
export async function requireMark(
  blobs: BlobStore,
  { place, mark }: Pick<OwnBlobs, "place" | "mark">,
): Promise<void> {
  if (mark === undefined) return;
  const marks = await listMarks(blobs);
  if (marks.some((each) => each.mesh === mark.mesh && each.mark === mark.mark)) return;
  throw new OtherBlobsError(
    `${place} is not the store of this mesh: it lacks the mark that the hosts share. Give all ` +
      "hosts the same directory or bucket, and see whether its volume is mounted. Where the store " +
      "was emptied or made anew, `cairn recover --accept-loss` lets the mesh begin with it.",
  );
}

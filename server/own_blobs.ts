/**
 * Refuses a blob store that is not that of the mesh: the folder of a volume that is not mounted, or
 * the store of another mesh. Shards would write parts of snapshots there that no other host finds,
 * and two meshes would delete each other's snapshots.
 *
 * The first host puts a mark into the store, and its id into the coordination store. All hosts look
 * for the mark of that id at their start: of two hosts that begin at once with different stores the
 * coordination store takes one mark, and the other host does not find it.
 */
import type { StorageSection } from "../configuration/sections/mesh.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type { Coordination, HostRun, MeshIdentity } from "../mesh/ports/coordination.ts";
import { deleteMark, hostOfMark, listMarks, type MeshMark, putMark } from "../records/mesh_mark.ts";
import { listSnapshots } from "../records/snapshot_manifest.ts";

/** The blob store of a host is not that of its mesh. */
export class OtherBlobsError extends Error {
  override readonly name = "OtherBlobsError";
}

export interface OwnBlobsOptions {
  readonly blobs: BlobStore;
  /** Where the blobs are, in the words of the configuration. */
  readonly place: string;
  /** The run that uses the store; its incarnation is the id of a mark that it puts. */
  readonly run: HostRun;
}

/** The mesh that a store is to belong to. */
interface OwnerMesh {
  readonly coordination: Pick<Coordination, "markBlobs">;
  readonly identity: Pick<MeshIdentity, "mesh" | "blobsMark">;
}

/** The blob store as a host of a mesh uses it. */
export class OwnBlobs {
  readonly #options: OwnBlobsOptions;

  constructor(options: OwnBlobsOptions) {
    this.#options = options;
  }

  /**
   * Looks whether this is the store of the mesh, and makes it that where the mesh has none.
   *
   * @throws {OtherBlobsError} It is not; the message says what to do.
   */
  async require({ coordination, identity: { mesh, blobsMark } }: OwnerMesh): Promise<void> {
    const { blobs, place } = this.#options;
    const own = blobsMark ?? await this.#claim(coordination, mesh);
    const marks = await listMarks(blobs);
    if (marks.some((each) => each.mesh === mesh && each.mark === own)) return;
    await this.#refuseOthers(marks, mesh);
    throw new OtherBlobsError(
      `${place} is not the store of this mesh: it lacks the mark that the hosts share. Give all ` +
        "hosts the same directory or bucket, and see whether its volume is mounted. Where the store " +
        "was emptied or made anew, `cairn recover --accept-loss` lets the hosts begin with it.",
    );
  }

  /**
   * Marks the store for the mesh before a snapshot is published: one that was emptied meanwhile has
   * all parts of that snapshot by now.
   *
   * @throws {OtherBlobsError} Another mesh has snapshots in the store.
   */
  async markForSnapshot({ coordination, identity: { mesh, blobsMark } }: OwnerMesh): Promise<void> {
    const { blobs, run: { host } } = this.#options;
    if (blobsMark === undefined) return void await this.#claim(coordination, mesh);
    await this.#takeFrom(mesh);
    await putMark(blobs, { mesh, mark: blobsMark }, host);
  }

  /** Marks the store, unless the mesh has another mark; resolves with the mark of the mesh. */
  async #claim(coordination: OwnerMesh["coordination"], mesh: string): Promise<string> {
    const { blobs, run: { host, incarnation } } = this.#options;
    await this.#takeFrom(mesh);
    const own = { mesh, mark: incarnation };
    // The mark stays where the answer is lost, since the mesh may have taken it.
    await putMark(blobs, own, host);
    const taken = await coordination.markBlobs(incarnation);
    if (taken !== incarnation) await deleteMark(blobs, own);
    return taken;
  }

  /**
   * Takes the store from other meshes that have no snapshot in it: a fail-over of the Redis server
   * may have lost a mesh that had just begun.
   */
  async #takeFrom(mesh: string): Promise<void> {
    const { blobs } = this.#options;
    const others = (await listMarks(blobs)).filter((mark) => mark.mesh !== mesh);
    if (others.length === 0) return;
    if ((await listSnapshots(blobs)).length > 0) await this.#refuseOthers(others, mesh);
    for (const mark of others) await deleteMark(blobs, mark);
  }

  async #refuseOthers(marks: readonly MeshMark[], mesh: string): Promise<void> {
    const other = marks.find((mark) => mark.mesh !== mesh);
    if (other === undefined) return;
    const { blobs, place } = this.#options;
    throw new OtherBlobsError(
      `${place} is the store of another mesh, of which ${await hostOfMark(blobs, other)} is a ` +
        "host. Where this host is to join that mesh, correct storage.redis.url and " +
        "storage.redis.name: it has another server, database or name than these. Else give this " +
        "mesh a directory, a bucket or a prefix of its own. Where the other one is no more, or is " +
        "this one before its Redis server lost all data, `cairn recover --accept-loss --from-mesh " +
        `${other.mesh}\` takes the store over.`,
    );
  }
}

/** The place of the blobs, in the words of the configuration. */
export function blobsPlaceOf(storage: StorageSection): string {
  if (storage.kind === "memory") return "storage";
  const { path, s3 } = storage;
  if (s3 === undefined) return `storage.path (${path})`;
  return `storage.s3 (bucket ${s3.bucket}${s3.prefix === "" ? "" : `, prefix ${s3.prefix}`})`;
}

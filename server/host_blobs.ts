/**
 * Refuses a blob store that is not that of the mesh: the folder of a volume that is not mounted, or
 * the store of another mesh. Shards would write parts of snapshots there that no other host finds,
 * and two meshes would delete each other's snapshots.
 *
 * The first host puts a mark into the store, and its id into the coordination store. All hosts look
 * for the mark of that id at their start: of two hosts that begin at once with different stores the
 * coordination store takes one mark, and the other host does not find it. Later each part looks for
 * it before it begins from a snapshot, since a volume may go away, or be emptied, while hosts run.
 */
import type { StorageSection } from "../configuration/sections/mesh.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type { Coordination, HostRun, MeshIdentity, MeshView } from "../mesh/ports/coordination.ts";
import { deleteMark, hostOfMark, listMarks, type MeshMark, putMark } from "../records/mesh_mark.ts";
import { OtherBlobsError, type OwnBlobs, requireMark } from "../records/own_blobs.ts";
import { listSnapshots } from "../records/snapshot_manifest.ts";

export interface HostBlobsOptions {
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
export class HostBlobs {
  readonly #options: HostBlobsOptions;

  constructor(options: HostBlobsOptions) {
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
    try {
      await requireMark(blobs, { place, mark: { mesh, mark: own } });
    } catch (error) {
      if (error instanceof OtherBlobsError) await this.#refuseOthers(await listMarks(blobs), mesh);
      throw error;
    }
  }

  /** The store from which the parts of the mesh begin that are made on this host. */
  ownBlobsOf(
    { identity: { mesh, blobsMark }, oldestSnapshot, examplesFrom }: Pick<
      MeshView,
      "identity" | "oldestSnapshot" | "examplesFrom"
    >,
  ): OwnBlobs {
    const { place } = this.#options;
    return {
      place,
      ...(blobsMark !== undefined && { mark: { mesh, mark: blobsMark } }),
      ...(oldestSnapshot !== undefined && { oldestSnapshot }),
      ...(examplesFrom !== undefined && { examplesFrom }),
    };
  }

  /**
   * Makes this the store of the mesh, whatever it lacks, for an operator. Its earlier marks go, so
   * that no copy of it is taken for it.
   *
   * @param newestSnapshot The one that the operator has seen, from which all parts begin; undefined
   *   = there is none. Where it is gone by now, none begins.
   * @param examplesFrom By partition, the row at which the example log begins: what it has trimmed
   *   and that snapshot has not learned is given up.
   */
  async accept({ coordination, mesh, newestSnapshot, examplesFrom }: {
    readonly coordination: Pick<Coordination, "acceptLoss">;
    readonly mesh: string;
    readonly newestSnapshot: string | undefined;
    readonly examplesFrom: readonly number[];
  }): Promise<void> {
    const { blobs, run: { host, incarnation: mark } } = this.#options;
    const before = await listMarks(blobs);
    await putMark(blobs, { mesh, mark }, host);
    await coordination.acceptLoss({
      mark,
      examplesFrom,
      ...(newestSnapshot !== undefined && { newestSnapshot }),
    });
    for (const each of before) await deleteMark(blobs, each);
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
        "storage.redis.name: that mesh uses another server, database or name. Else give this " +
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

/**
 * The mark of a mesh in its blob store: the empty blob `mesh/<id of the mesh>/<host>`. By it a host
 * knows whether it has the same store as the other hosts of its mesh, and no other mesh has it.
 */
import type { BlobStore } from "../mesh/ports/blob_store.ts";

const PREFIX = "mesh/";

export interface MeshMark {
  /** Id of the mesh, minted when it was created. */
  readonly mesh: string;
  /** Name of the host that put the mark. */
  readonly host: string;
}

export async function putMark(blobs: BlobStore, mark: MeshMark): Promise<void> {
  await blobs.put(markName(mark), new Uint8Array());
}

export async function deleteMark(blobs: BlobStore, mark: MeshMark): Promise<void> {
  await blobs.delete(markName(mark));
}

/** All marks in a store; none where only single processes have used it. */
export async function listMarks(blobs: BlobStore): Promise<MeshMark[]> {
  return (await blobs.list(PREFIX)).map((name) => {
    const [mesh, host] = name.slice(PREFIX.length).split("/");
    return { mesh, host };
  });
}

export function markName({ mesh, host }: MeshMark): string {
  return `${PREFIX}${mesh}/${host}`;
}

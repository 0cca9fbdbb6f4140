/**
 * The mark of a mesh in its blob store: the blob `mesh/<id of the mesh>/<id of the mark>`, which
 * holds the name of the host that put it. By it a host knows whether it has the same store as the
 * other hosts of its mesh, and no other mesh has it.
 */
import type { BlobStore } from "../mesh/ports/blob_store.ts";

const PREFIX = "mesh/";

/** The names of a mark. */
export interface MeshMark {
  /** Id of the mesh, minted when it was created. */
  readonly mesh: string;
  /** Id of the mark: a store that is marked anew has another one. */
  readonly mark: string;
}

/**
 * Puts a mark into a store.
 *
 * @param host Name of the host that marks the store, for people.
 */
export async function putMark(blobs: BlobStore, mark: MeshMark, host: string): Promise<void> {
  await blobs.put(nameOf(mark), new TextEncoder().encode(host));
}

/** Deletes a mark, if it is there. */
export async function deleteMark(blobs: BlobStore, mark: MeshMark): Promise<void> {
  await blobs.delete(nameOf(mark));
}

/** All marks in a store; none where only single processes have used it. */
export async function listMarks(blobs: BlobStore): Promise<MeshMark[]> {
  return (await blobs.list(PREFIX)).map((name) => {
    const [mesh, mark] = name.slice(PREFIX.length).split("/");
    return { mesh, mark };
  });
}

/** Name of the host that put a mark; "unknown" where the mark is gone. */
export async function hostOfMark(blobs: BlobStore, mark: MeshMark): Promise<string> {
  const bytes = await blobs.get(nameOf(mark));
  return bytes === undefined ? "unknown" : new TextDecoder().decode(bytes);
}

function nameOf({ mesh, mark }: MeshMark): string {
  return `${PREFIX}${mesh}/${mark}`;
}

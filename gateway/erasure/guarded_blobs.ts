/**
 * The blob store as requests about erasures see it: a store that fails is a problem of the server's
 * state, and not a defect.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import { ProblemError } from "../problems.ts";

/** A blob store whose failures are the problem `unavailable`. */
export function guardedBlobs(blobs: BlobStore): BlobStore {
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw new ProblemError(
        "unavailable",
        `Receipts of erasures cannot be read or written now: ${
          reasonOf(cause)
        } Send it again: an ` +
          "erasure that comes twice has no further effect.",
        { cause },
      );
    }
  };
  return {
    put: (name, bytes) => guarded(blobs.put(name, bytes)),
    get: (name) => guarded(blobs.get(name)),
    list: (prefix) => guarded(blobs.list(prefix)),
    delete: (name) => guarded(blobs.delete(name)),
    listUnfinished: (prefix) => guarded(blobs.listUnfinished(prefix)),
    deleteUnfinished: (name) => guarded(blobs.deleteUnfinished(name)),
  };
}

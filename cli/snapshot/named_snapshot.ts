/**
 * Finds the snapshot that was named on the command line.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { blobsPlace, type DataPlaces } from "../../offline/data_directory/existing_stores.ts";
import { listSnapshots } from "../../records/snapshot_manifest.ts";
import { usageError } from "../errors.ts";

const PREFIX = "snapshots/";

/** A snapshot's name as the commands print it. */
export function shortName(snapshot: string): string {
  return snapshot.slice(PREFIX.length);
}

/**
 * The full name of a snapshot; the newest one without a name.
 *
 * @throws {CommandError} When there is none of this name.
 */
export async function namedSnapshot(
  blobs: BlobStore,
  places: DataPlaces,
  name: string | undefined,
): Promise<string> {
  const all = await listSnapshots(blobs);
  const found = name === undefined
    ? all.at(0)
    : all.find((snapshot) => snapshot === name || shortName(snapshot) === name);
  if (found !== undefined) return found;
  const others = all.length === 0 ? "it has none" : `it has ${all.map(shortName).join(", ")}`;
  const which = name === undefined ? "no snapshot" : `no snapshot ${name}`;
  const below = places.s3?.prefix ? ` below ${places.s3.prefix}` : "";
  throw usageError(`There is ${which} in ${blobsPlace(places)}${below}: ${others}.`);
}

/**
 * The work of `cairn snapshot pin` and `unpin`.
 */
import { openExistingBlobs } from "../../offline/data_directory/existing_stores.ts";
import { pinSnapshot, unpinSnapshot } from "../../records/snapshot_manifest.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import { namedSnapshot, shortName } from "./named_snapshot.ts";

/** @throws {CommandError} When there is no such snapshot. */
export async function pinCommand(
  data: string,
  snapshot: string,
  pin: boolean,
  output: Output,
): Promise<void> {
  const places = await findPlaces(data);
  const blobs = await openExistingBlobs(places);
  const name = await namedSnapshot(blobs, places, snapshot);
  if (pin) {
    await pinSnapshot(blobs, name);
    output.out(`${shortName(name)} is stored until it is unpinned.\n`);
  } else {
    await unpinSnapshot(blobs, name);
    output.out(`${shortName(name)} is deleted when newer snapshots have replaced it.\n`);
  }
}

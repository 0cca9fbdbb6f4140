/**
 * The work of `cairn snapshot list`.
 */
import { counted } from "../../structures/counted.ts";
import { openExistingBlobs } from "../../offline/data_directory/existing_stores.ts";
import { damageOf } from "../../offline/data_directory/verify_snapshot.ts";
import {
  bytesWritten,
  chainLength,
  listPinned,
  listSnapshots,
  readManifest,
  sequenceOf,
  snapshotBytes,
} from "../../records/snapshot_manifest.ts";
import type { Output } from "../command_line.ts";
import { findPlaces } from "../data_places.ts";
import type { SnapshotFlags } from "./command.ts";
import { shortName } from "./named_snapshot.ts";

export async function listCommand(
  data: string,
  { json }: SnapshotFlags,
  output: Output,
): Promise<void> {
  const blobs = await openExistingBlobs(await findPlaces(data));
  const pinned = await listPinned(blobs);
  const names = await listSnapshots(blobs);
  if (names.length === 0 && !json) {
    output.out("no snapshot yet: a server takes one at intervals and when it stops\n");
  }
  for (const name of names) {
    const isPinned = pinned.includes(name);
    try {
      const manifest = await readManifest(blobs, name);
      const line = {
        name: shortName(name),
        at: new Date(manifest.atMs).toISOString(),
        rows: sequenceOf(manifest),
        bytes: snapshotBytes(manifest),
        bytesWritten: bytesWritten(manifest),
        members: chainLength(manifest),
        partitions: manifest.trainers.length,
        shards: manifest.shards.length,
        pinned: isPinned,
      };
      output.out(
        json ? `${JSON.stringify(line)}\n` : `${line.name}  ${line.at}  ` +
          `${counted(line.rows, "row")} learned  ${line.bytes.toLocaleString("en")} bytes` +
          `${line.members > 1 ? `, ${line.bytesWritten.toLocaleString("en")} of its own` : ""}` +
          `${isPinned ? "  pinned" : ""}\n`,
      );
    } catch (error) {
      const damage = damageOf(error);
      output.out(
        json
          ? `${JSON.stringify({ name: shortName(name), pinned: isPinned, damage })}\n`
          : `${shortName(name)}  ${damage}\n`,
      );
    }
  }
}

/**
 * A snapshot that can be seen is whole, and the log behind it can be read.
 *
 *     ∀ time, ∀ visible manifest:  all its parts are stored with the stated number of bytes
 *     ∀ time, ∀ partition p:       floor(p) ≤ offset(p) of the newest manifest
 *
 * A fail-over of Redis that loses a trim lowers the floor: a mesh that goes back behind its first
 * snapshot learns the log from its beginning again.
 */
import { partsOf, type SnapshotManifest } from "../../records/snapshot_manifest.ts";
import type { Checker, CheckerContext } from "./checker.ts";

export function wholeSnapshots(context: CheckerContext): Checker {
  const blobs = new Map<string, number>();
  const manifests = new Map<string, SnapshotManifest>();
  const floors = new Map<number, number>();
  const checkFloors = () => {
    const newest = [...manifests.values()].sort((a, b) => a.name < b.name ? -1 : 1).at(-1);
    for (const { partition, offset } of newest?.trainers ?? []) {
      const floor = floors.get(partition) ?? 0;
      if (floor > offset) {
        context.fail(
          `partition ${partition} of the example log is trimmed to ${floor}, and ${newest?.name} ` +
            `goes on from ${offset}`,
        );
      }
    }
  };
  return {
    name: "whole-snapshots",
    blobStored(name, bytes) {
      blobs.set(name, bytes.byteLength);
      if (!name.endsWith("/manifest.json")) return;
      const manifest = JSON.parse(new TextDecoder().decode(bytes)) as SnapshotManifest;
      manifests.set(name, manifest);
      for (const part of partsOf(manifest)) {
        if (blobs.get(part.name) !== part.bytes) {
          context.fail(`${name} names ${part.name} with ${part.bytes} bytes, which is not stored`);
        }
      }
      checkFloors();
    },
    blobDeleted(name) {
      blobs.delete(name);
      manifests.delete(name);
      for (const [visible, manifest] of manifests) {
        if (partsOf(manifest).some((part) => part.name === name)) {
          context.fail(`${name} was deleted and ${visible} still names it`);
        }
      }
    },
    trimmed(log, partition, offset) {
      if (log !== "examples") return;
      floors.set(partition, offset);
      checkFloors();
    },
    trimLost(log, partition, firstOffset) {
      if (log === "examples") floors.set(partition, firstOffset);
    },
  };
}

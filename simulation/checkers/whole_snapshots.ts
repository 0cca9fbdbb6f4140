/**
 * A snapshot that can be seen is whole, and the log behind it can be read.
 *
 *     ∀ time, ∀ visible manifest:  all its parts are stored with the stated number of bytes
 *     ∀ time, ∀ partition p:       floor(p) ≤ offset(p) of the newest manifest
 *
 * A snapshot that is being published while the store loses snapshots may name lost parts: its
 * snapshotter has looked at them just before. The next one sees that they are gone.
 *
 * A fail-over of Redis that loses a trim lowers the floor: a mesh that goes back behind its first
 * snapshot learns the log from its beginning again.
 */
import { partsOf, type SnapshotManifest } from "../../records/snapshot_manifest.ts";
import type { Checker, CheckerContext } from "./checker.ts";

/** Longest time from a snapshotter's look at the parts to the stored manifest, ms. */
const PUBLISHING_MS_MAX = 1_000;

export function wholeSnapshots(context: CheckerContext): Checker {
  const blobs = new Map<string, number>();
  const manifests = new Map<string, SnapshotManifest>();
  const floors = new Map<number, number>();
  let lossAtMs = -Infinity;
  /** Parts that the store lost at that time. */
  const lost = new Set<string>();
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
        const isJustLost = lost.has(part.name) && context.nowMs() - lossAtMs < PUBLISHING_MS_MAX;
        if (blobs.get(part.name) !== part.bytes && !isJustLost) {
          context.fail(`${name} names ${part.name} with ${part.bytes} bytes, which is not stored`);
        }
      }
      checkFloors();
    },
    fault({ kind }) {
      if (kind !== "recoverMesh") return;
      lossAtMs = context.nowMs();
      lost.clear();
    },
    blobDeleted(name) {
      if (context.nowMs() === lossAtMs) lost.add(name);
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

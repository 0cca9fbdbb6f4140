/**
 * Bugs to plant of logs, blobs and snapshots.
 */
import type { Plant } from "./plant.ts";

/** See {@link Plant}. */
export const storagePlants: readonly Plant[] = [
  {
    name: "torn-snapshot",
    edits: [{
      file: "records/snapshot_parts.ts",
      find:
        "  await blobs.put(name, bytes);\n  return { name, bytes: bytes.byteLength, checksum: kernel",
      replace:
        "  void blobs.put(name, bytes);\n  return { name, bytes: bytes.byteLength, checksum: kernel",
    }],
    seenBy: ["whole-snapshots"],
    scenario: "swarm",
  },
  {
    name: "trim-newest",
    edits: [{
      file: "actors/snapshotter/example_trimmer.ts",
      find: "floors.set(partition, Math.min(offset, floors.get(partition) ?? Infinity));",
      replace: "floors.set(partition, Math.max(offset + 2, floors.get(partition) ?? 0));",
    }],
    seenBy: ["whole-snapshots", "supervision"],
    scenario: "swarm",
  },
  {
    name: "manifest-last-deleted",
    edits: [{
      file: "records/snapshot_manifest.ts",
      find: "names.sort((a, b) => Number(isManifest(b)) - Number(isManifest(a)));",
      replace: "names.sort((a, b) => Number(isManifest(a)) - Number(isManifest(b)));",
    }],
    seenBy: ["whole-snapshots"],
    scenario: "swarm",
  },
  {
    name: "snapshot-without-shard",
    edits: [{
      file: "records/snapshot_parts.ts",
      find: 'return `${shard}/chunk-${String(number).padStart(5, "0")}`;',
      replace: 'return `${shard}/chunk-${String(number % 2).padStart(5, "0")}`;',
    }],
    seenBy: ["whole-snapshots", "supervision"],
    scenario: "swarm",
  },
  {
    name: "torn-tail-read",
    edits: [{
      file: "mesh/adapters/embedded/segment_recovery.ts",
      find: "if (!block || !isIntact(block)) break;",
      replace: "if (!block) break;",
    }],
    seenBy: ["log-offsets", "joined-examples", "accepted-events", "supervision", "liveness"],
    scenario: "torn-writes",
  },
  {
    name: "read-before-roll",
    edits: [{
      file: "mesh/adapters/embedded/segment_reader.ts",
      find: "next = Math.max(next, end);",
      replace: "next = end;",
    }],
    seenBy: ["example-chunks", "joined-examples"],
    scenario: "swarm",
  },
  {
    name: "sync-error-ignored",
    edits: [{
      file: "mesh/adapters/embedded/open_segment.ts",
      find: "    await this.#file.syncData();\n",
      replace: "    await this.#file.syncData().catch(() => {});\n",
    }],
    seenBy: ["accepted-events", "log-offsets", "joined-examples", "supervision"],
    scenario: "bad-disk",
  },
  {
    name: "names-unclaimed",
    edits: [{
      file: "actors/snapshotter/snapshotter.ts",
      find: "    await claimName(blobs, name);\n",
      replace: "    void claimName;\n",
    }],
    seenBy: ["ascending-snapshots"],
    scenario: "first-trainer-moves",
  },
  {
    name: "unfinished-puts-stay",
    edits: [{
      file: "records/snapshot_manifest.ts",
      find: "  await deleteUnfinishedPuts(blobs, prefix, (name) => !isLater(name));\n",
      replace: '  await deleteUnfinishedPuts(blobs, prefix, (name) => name === "");\n',
    }, {
      file: "gateway/erasure/erasure_state.ts",
      find: "(snapshot.unfinishedParts.length > 0 ||",
      replace: "(snapshot.unfinishedParts.length < 0 ||",
    }],
    seenBy: ["erased-users"],
    scenario: "erased-rows-in-puts",
  },
];

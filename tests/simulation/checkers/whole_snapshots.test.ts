import assert from "node:assert/strict";
import { FORMAT, manifestName, type SnapshotManifest } from "../../../records/snapshot_manifest.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import { wholeSnapshots } from "../../../simulation/checkers/whole_snapshots.ts";

/** A checker, and the promises that it has seen broken. */
function watch() {
  const failures: string[] = [];
  const clock = { nowMs: 0 };
  const checker = wholeSnapshots({
    nowMs: () => clock.nowMs,
    fail: (message) => failures.push(message),
  });
  return {
    failures,
    clock,
    /** The store loses a part. */
    loses(part: string) {
      checker.fault?.({ kind: "recoverMesh", atMs: clock.nowMs, lost: "newest" });
      checker.blobDeleted?.(part);
    },
    /** A snapshot of one partition becomes visible, which goes on from `offset`. */
    stores(name: string, offset: number, isPartThere = true) {
      const checkpoint = { name: `${name}/trainer/0`, bytes: 1, checksum: 0 };
      const manifest: SnapshotManifest = {
        format: FORMAT,
        name,
        atMs: 0,
        trainers: [{
          source: gradientSource(0),
          sequence: offset,
          partition: 0,
          offset,
          learnedThroughMs: 0,
          checkpoint,
        }],
        shards: [],
      };
      if (isPartThere) checker.blobStored?.(checkpoint.name, new Uint8Array(checkpoint.bytes));
      const text = JSON.stringify(manifest);
      checker.blobStored?.(manifestName(name), new TextEncoder().encode(text));
    },
    deletes: (name: string) => checker.blobDeleted?.(manifestName(name)),
    trims: (offset: number) => checker.trimmed?.("examples", 0, offset),
    losesTrim: (firstOffset: number) => checker.trimLost?.("examples", 0, firstOffset),
  };
}

Deno.test("the log is not trimmed behind the cut of the newest snapshot", () => {
  for (const [trimmedTo, broken] of [[5, 0], [6, 1]]) {
    const { failures, stores, trims } = watch();
    stores("snapshots/1", 3);
    stores("snapshots/2", 5);
    trims(trimmedTo);
    assert.equal(failures.length, broken, `trimmed to ${trimmedTo}`);
  }
});

Deno.test("after a fail-over that lost a trim, a snapshot goes on from a record that is back", () => {
  for (const [firstOffset, broken] of [[0, 0], [1, 1]]) {
    const { failures, stores, deletes, trims, losesTrim } = watch();
    stores("snapshots/1", 5);
    trims(4);
    losesTrim(firstOffset);
    deletes("snapshots/1");
    stores("snapshots/2", 0);
    assert.equal(failures.length, broken, `the log begins at ${firstOffset}`);
    trims(4);
    assert.equal(failures.length, broken + 1, "a later trim counts");
  }
});

Deno.test("only a snapshot that is being published may name a part that was just lost", () => {
  for (
    const [part, afterMs, broken] of [
      ["snapshots/1/trainer/0", 999, 0],
      ["snapshots/1/trainer/0", 1_000, 1],
      ["snapshots/0/trainer/0", 1, 1],
    ] as const
  ) {
    const { failures, clock, loses, stores } = watch();
    loses(part);
    clock.nowMs += afterMs;
    stores("snapshots/1", 5, false);
    assert.equal(failures.length, broken, `${part}, ${afterMs} ms later`);
  }
});

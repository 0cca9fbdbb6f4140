import assert from "node:assert/strict";
import type { CheckerContext } from "../../../simulation/checkers/checker.ts";
import { oneCutPerManifest } from "../../../simulation/checkers/one_cut_per_manifest.ts";

const SNAPSHOT = "snapshots/001700000000000";
const SHARD = "embedding_shard/0";

type Kind = "beginSnapshot" | "writeSnapshot";
/** The snapshot that it names is all that the checker reads. */
const request = (kind: Kind) => ({ kind, snapshot: SNAPSHOT });

type Step = readonly [kind: Kind, host: string];

/** A checker of a mesh whose hosts have the shard under the epochs. */
function watch(epochs: Readonly<Record<string, number>>) {
  const failures: string[] = [];
  const context: CheckerContext = { nowMs: () => 0, fail: (message) => failures.push(message) };
  const checker = oneCutPerManifest(context);
  const begins = (host: string, tenure: number) => {
    checker.processBegan?.(host);
    checker.began?.(SHARD, host, { tenure });
  };
  for (const [host, epoch] of Object.entries(epochs)) begins(host, epoch);
  return {
    begins,
    deletes: () => checker.blobDeleted?.(`${SNAPSHOT}/manifest.json`),
    answers: (kind: Kind, host: string) => checker.answers?.(SHARD, request(kind), {}, host),
    /** The failures once a manifest names the shard. */
    published(): readonly string[] {
      const manifest = JSON.stringify({ name: SNAPSHOT, shards: [{ shard: 0 }] });
      checker.blobStored?.(`${SNAPSHOT}/manifest.json`, new TextEncoder().encode(manifest));
      return failures;
    },
  };
}

/** The failures of a manifest after these answers of the shard on hosts `a` and `b`. */
function failuresOf(...steps: readonly Step[]): readonly string[] {
  const { answers, published } = watch({ a: 1, b: 2 });
  for (const [kind, host] of steps) answers(kind, host);
  return published();
}

Deno.test("a shard that one process has cut and written under one epoch keeps the promise", () => {
  assert.deepEqual(failuresOf(["beginSnapshot", "a"], ["writeSnapshot", "a"]), []);
  // The cut was begun again, with the next owner.
  const again: Step[] = [["beginSnapshot", "a"], ["beginSnapshot", "b"], ["writeSnapshot", "b"]];
  assert.deepEqual(failuresOf(...again), []);
});

Deno.test("a shard that its next owner has written breaks the promise", () => {
  assert.deepEqual(failuresOf(["beginSnapshot", "a"], ["writeSnapshot", "b"]), [
    `${SNAPSHOT} names shard 0, which was cut by process 1 of a in epoch 1 and written by ` +
    "process 1 of b in epoch 2",
  ]);
});

Deno.test("a shard that two owners have written breaks the promise", () => {
  const failures = failuresOf(
    ["beginSnapshot", "a"],
    ["writeSnapshot", "a"],
    ["writeSnapshot", "b"],
  );
  assert.equal(failures.length, 1);
  assert.match(
    failures[0],
    /written by process 1 of a in epoch 1 and by process 1 of b in epoch 2/,
  );
});

Deno.test("a snapshot with the name of one that was deleted is another one", () => {
  const { answers, deletes, published } = watch({ a: 1, b: 2 });
  for (const host of ["a", "b"]) {
    answers("beginSnapshot", host);
    answers("writeSnapshot", host);
    assert.deepEqual(published(), []);
    deletes();
  }
});

Deno.test("a manifest that names a shard without a part breaks the promise", () => {
  assert.match(failuresOf(["beginSnapshot", "a"])[0], /and written by none$/);
});

Deno.test("a host that was started again, and one with a later epoch, is another writer", () => {
  for (const epoch of [1, 3]) {
    const { answers, begins, published } = watch({ a: 1 });
    answers("beginSnapshot", "a");
    begins("a", epoch);
    answers("writeSnapshot", "a");
    assert.equal(published().length, 1);
  }
});

Deno.test("parts without a manifest break no promise", () => {
  const failures: string[] = [];
  const checker = oneCutPerManifest({ nowMs: () => 0, fail: (message) => failures.push(message) });
  checker.blobStored?.(`${SNAPSHOT}/shard-0/header`, new Uint8Array());
  assert.deepEqual(failures, []);
});

import assert from "node:assert/strict";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { formerReplicas } from "../../../simulation/checkers/former_replicas.ts";
import type { Serving } from "../../../simulation/checkers/serving.ts";

const OLD: Address = "serving_replica/0@edge";
const NEW: Address = "serving_replica/0#1@edge";

/** The promises that a checker sees broken of a host that follows sharding 1. */
function failuresOf(
  { replicas, followsMs, ...more }: {
    readonly replicas: readonly Address[];
    /** Time from the new feed to the receipt, ms. */
    readonly followsMs: number;
    readonly pausedMs?: number;
    readonly isServed?: false;
  },
): string[] {
  const failures: string[] = [];
  let nowMs = 0;
  const mesh = { mesh: { addressesOf: () => replicas } };
  const checker = formerReplicas(() => [{ mesh, host: "edge" } as unknown as Serving])({
    nowMs: () => nowMs,
    fail: (message) => failures.push(message),
  });
  checker.began?.("row_feed/edge", "edge", { sharding: 0 });
  nowMs = 1_000;
  checker.began?.("row_feed/edge", "edge", { sharding: 1 });
  const { pausedMs: forMs } = more;
  if (forMs !== undefined) checker.fault?.({ kind: "pauseHost", atMs: 1_000, host: "edge", forMs });
  nowMs += followsMs;
  const servedAtMs = more.isServed === false ? undefined : nowMs;
  const receipt = JSON.stringify({ erasureId: "e", host: "edge", servedAtMs });
  checker.blobStored?.("erasures/e/request.json", new TextEncoder().encode(receipt));
  return failures;
}

Deno.test("an erasure that counts as served beside a former replica breaks the promise", () => {
  assert.equal(failuresOf({ replicas: [OLD, NEW], followsMs: 6_000 }).length, 1);
});

Deno.test("a receipt that is not served, and former replicas that have ended, break none", () => {
  assert.deepEqual(failuresOf({ replicas: [NEW], followsMs: 6_000 }), []);
  assert.deepEqual(failuresOf({ replicas: [OLD, NEW], followsMs: 6_000, isServed: false }), []);
});

Deno.test("a gateway may have looked before the change, or have stood still since", () => {
  assert.deepEqual(failuresOf({ replicas: [OLD, NEW], followsMs: 4_000 }), []);
  assert.deepEqual(failuresOf({ replicas: [OLD, NEW], followsMs: 6_000, pausedMs: 2_000 }), []);
});

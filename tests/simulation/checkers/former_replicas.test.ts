import assert from "node:assert/strict";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { formerReplicas } from "../../../simulation/checkers/former_replicas.ts";
import type { Serving } from "../../../simulation/checkers/serving.ts";

const OLD: Address = "serving_replica/0@edge";
const NEW: Address = "serving_replica/0#1@edge";
/** The gateway's wall clock when the run begins, ms. */
const WALL_MS = 1_700_000_000_000;

/** The promises that a checker sees broken of a host that follows sharding 1. */
function failuresOf(
  { replicas, followsMs, ...more }: {
    readonly replicas: readonly Address[];
    /** Time from the new feed to the gateway's look at the hosts, ms. */
    readonly followsMs: number;
    /** Time from there until the receipt is stored, ms. */
    readonly storedMs?: number;
    /** Whether the gateway's clock steps meanwhile. */
    readonly steps?: true;
    readonly isServed?: false;
  },
): string[] {
  const failures: string[] = [];
  let nowMs = 0;
  const mesh = { mesh: { addressesOf: () => replicas } };
  const running = () => [{ mesh, host: "edge" } as unknown as Serving];
  const checker = formerReplicas(running, () => WALL_MS + nowMs)({
    nowMs: () => nowMs,
    fail: (message) => failures.push(message),
  });
  checker.began?.("row_feed/edge", "edge", { sharding: 0 });
  nowMs = 1_000;
  checker.began?.("row_feed/edge", "edge", { sharding: 1 });
  nowMs += followsMs;
  const servedAtMs = more.isServed === false ? undefined : WALL_MS + nowMs;
  const { storedMs = 100, steps = false } = more;
  if (steps) checker.fault?.({ kind: "stepHostClock", atMs: nowMs, host: "edge", toMs: 4_000 });
  nowMs += storedMs;
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

Deno.test("a gateway may have looked before the change", () => {
  assert.deepEqual(failuresOf({ replicas: [OLD, NEW], followsMs: 4_000 }), []);
});

Deno.test("the time of the look counts, however much later the receipt is stored", () => {
  assert.deepEqual(failuresOf({ replicas: [OLD, NEW], followsMs: 500, storedMs: 9_000 }), []);
  assert.equal(failuresOf({ replicas: [OLD, NEW], followsMs: 6_000, storedMs: 9_000 }).length, 1);
});

Deno.test("a clock that has stepped does not tell when its gateway looked", () => {
  assert.deepEqual(failuresOf({ replicas: [OLD, NEW], followsMs: 6_000, steps: true }), []);
});

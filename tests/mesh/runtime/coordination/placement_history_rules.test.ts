import assert from "node:assert/strict";
import type { Ownership, Placement } from "../../../../mesh/ports/coordination.ts";
import type { PlacementHistory } from "../../../../mesh/ports/placement_history.ts";
import { historyAfter } from "../../../../mesh/runtime/coordination/placement_history_rules.ts";

const [a, b] = ["a", "b"].map((host) => ({ host, incarnation: `${host}-1` }));
const moving = { state: "moving", owner: a, target: b } as const;

/** The history after these placements, one every second, each with its reason. */
function past(...steps: readonly (readonly [Ownership, epoch: number, reason: string])[]) {
  let before: Placement = { state: "unassigned", epoch: 0 };
  let history: PlacementHistory = {};
  steps.forEach(([ownership, epoch, reason], i) => {
    const after: Placement = { ...ownership, epoch };
    history = historyAfter(history, { before, after, nowMs: (i + 1) * 1_000, reason }) ?? history;
    before = after;
  });
  return history;
}

const restored = [
  [{ state: "restoring", owner: a }, 1, "it has no host yet"],
  [{ state: "active", owner: a }, 1, ""],
] as const;

Deno.test("a restore is a move without a host before, which ends when the owner is active", () => {
  assert.deepEqual(past(...restored), {
    sinceMs: 1_000,
    last: { atMs: 1_000, to: "a", reason: "it has no host yet", outcome: "done", endedMs: 2_000 },
  });
});

Deno.test("a live move has the reason of its begin, and the new owner since its end", () => {
  const begun = [...restored, [{ ...moving, phase: "filling" }, 1, "a is draining"]] as const;
  const last = { atMs: 3_000, from: "a", to: "b", reason: "a is draining" };
  assert.deepEqual(past(...begun), { sinceMs: 1_000, last: { ...last, outcome: "underway" } });
  const frozen = [...begun, [{ ...moving, phase: "frozen" }, 1, ""]] as const;
  assert.deepEqual(past(...frozen), {
    sinceMs: 1_000,
    last: { ...last, outcome: "underway", frozenAtMs: 4_000 },
  });
  assert.deepEqual(past(...frozen, [{ state: "active", owner: b }, 2, "b has verified it"]), {
    sinceMs: 5_000,
    last: { ...last, outcome: "done", frozenAtMs: 4_000, endedMs: 5_000 },
  });
});

Deno.test("an aborted move says why, and leaves the owner's time as it was", () => {
  const history = past(
    ...restored,
    [{ ...moving, phase: "filling" }, 1, "a is draining"],
    [{ state: "active", owner: a }, 1, "b is gone"],
  );
  assert.deepEqual(history, {
    sinceMs: 1_000,
    last: {
      atMs: 3_000,
      from: "a",
      to: "b",
      reason: "a is draining",
      outcome: "aborted",
      endedMs: 4_000,
      why: "b is gone",
    },
  });
});

Deno.test("a part that was given up keeps its past until its next owner", () => {
  const unassigned = [{ state: "unassigned" }, 2, ""] as const;
  assert.deepEqual(past(...restored, unassigned), past(...restored));
  const again = past(...restored, unassigned, [{ state: "restoring", owner: b }, 3, "new shards"]);
  assert.deepEqual(again, {
    sinceMs: 4_000,
    last: { atMs: 4_000, to: "b", reason: "new shards", outcome: "underway" },
  });
});

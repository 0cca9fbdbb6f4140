import assert from "node:assert/strict";
import type { Placement } from "../../../mesh/ports/coordination.ts";
import { shortFreezes } from "../../../simulation/checkers/short_freezes.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";

const SHARD = "embedding_shard/3";
const [a, b] = ["a", "b"].map((host) => ({ host, incarnation: `${host}-1` }));

/** A checker, its clock, and the promises that it has seen broken. */
function watch() {
  const state = { nowMs: 0, failures: [] as string[] };
  const checker = shortFreezes({ linkMs: 0, syncMs: 0 })({
    nowMs: () => state.nowMs,
    fail: (message) => void state.failures.push(message),
  });
  return {
    checker,
    frozen: () => checker.answers?.(SHARD, { kind: "finishCopy" }, {}, "a"),
    handles: (kind: string) => checker.handles?.(SHARD, { kind }, "a"),
    fault: (fault: Fault) => checker.fault?.(fault),
    failuresAt(nowMs: number): string[] {
      state.nowMs = nowMs;
      checker.handles?.("joiner/0", { kind: "eventsAppended" }, "c");
      return state.failures;
    },
  };
}

Deno.test("a freeze of more than two seconds and a look breaks the promise", () => {
  const { frozen, failuresAt } = watch();
  frozen();
  assert.deepEqual(failuresAt(2_400), []);
  assert.deepEqual(failuresAt(2_600), ["shard 3 has been frozen on a for 2600 ms"]);
});

Deno.test("a freeze ends when the owner goes on, dies, or another host owns the shard", () => {
  const moving: Placement = { state: "moving", owner: a, target: b, phase: "frozen", epoch: 1 };
  const ends = [
    ({ handles }: ReturnType<typeof watch>) => handles("abandonCopy"),
    ({ handles }: ReturnType<typeof watch>) => handles("beginCopy"),
    ({ checker }: ReturnType<typeof watch>) => checker.processDied?.("a"),
    ({ checker }: ReturnType<typeof watch>) =>
      checker.placed?.("shard/3", moving, { state: "active", owner: b, epoch: 2 }),
  ];
  for (const end of ends) {
    const watched = watch();
    watched.frozen();
    end(watched);
    assert.deepEqual(watched.failuresAt(9_000), []);
  }
  const { frozen, checker, failuresAt } = watch();
  frozen();
  checker.placed?.("shard/3", moving, { state: "active", owner: a, epoch: 1 });
  assert.equal(failuresAt(9_000).length, 1, "the owner has not read that its move was aborted");
});

Deno.test("a store that its owner cannot reach, and a pause, delay the end of a freeze", () => {
  const faults: Fault[] = [
    { kind: "stopRedis", atMs: 0, forMs: 5_000 },
    { kind: "cutRedis", atMs: 0, host: "a", forMs: 5_000 },
    { kind: "pauseHost", atMs: 0, host: "a", forMs: 5_000 },
    { kind: "stallNode", atMs: 0, node: "a:main", forMs: 5_000 },
  ];
  for (const fault of faults) {
    const watched = watch();
    watched.frozen();
    watched.fault(fault);
    assert.deepEqual(watched.failuresAt(11_000), []);
    assert.equal(watched.failuresAt(12_000).length, 1);
  }
  for (const kind of ["pauseHost", "cutRedis"] as const) {
    const { frozen, fault, failuresAt } = watch();
    frozen();
    fault({ kind, atMs: 0, host: "b", forMs: 5_000 });
    assert.equal(failuresAt(3_000).length, 1, "it is another host");
  }
});

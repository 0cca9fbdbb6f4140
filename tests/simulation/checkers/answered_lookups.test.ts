import assert from "node:assert/strict";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { answeredLookups } from "../../../simulation/checkers/answered_lookups.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";

const SCORER = "scorer/a";
const HOLDERS: readonly Address[][] = [
  ["serving_replica/0@a", "serving_replica/0@b"],
  ["serving_replica/1@b", "serving_replica/1@c"],
];

/** A checker of a scorer with two replicas a shard, all filled a minute ago. */
function watch() {
  const state = { nowMs: 0, failures: [] as string[] };
  const checker = answeredLookups({
    nowMs: () => state.nowMs,
    fail: (message) => void state.failures.push(message),
  });
  const options = { replicas: HOLDERS, lookupBudgetMs: 500 };
  const last = { kind: "loadRows", position: { lineage: "l", sequence: 1 } };
  checker.began?.(SCORER, "a", options);
  for (const replica of HOLDERS.flat()) {
    checker.began?.(replica, replica.split("@")[1], {});
    checker.answers?.(replica, last, undefined);
  }
  state.nowMs = 60_000;
  return {
    checker,
    fault: (fault: Fault) => checker.fault?.(fault),
    /** The broken promises after scores without the rows of some shards. */
    scored(shardsAway: number, nowMs = state.nowMs): number {
      state.nowMs = nowMs;
      checker.answers?.(SCORER, { kind: "score" }, { shardsAway }, "a");
      return state.failures.length;
    },
  };
}

Deno.test("scores without the rows of a shard that has a filled replica in reach break the promise", () => {
  assert.equal(watch().scored(0), 0);
  assert.equal(watch().scored(1), 1);
});

Deno.test("they do not while each replica of a shard is away, stands still or was filled just now", () => {
  const away: ((watched: ReturnType<typeof watch>) => void)[] = [
    ({ checker }) => ["b", "c"].forEach((host) => checker.processDied?.(host)),
    ({ checker }) => HOLDERS[1].forEach((replica) => checker.began?.(replica)),
    ({ fault }) =>
      ["b", "c"].forEach((host) => fault({ kind: "pauseHost", atMs: 0, host, forMs: 100 })),
    ({ fault }) => HOLDERS[1].forEach((actor) => fault({ kind: "crashActor", atMs: 0, actor })),
    ({ fault }) =>
      ["b", "c"].forEach((to) =>
        fault({ kind: "cutHosts", atMs: 0, from: "a", to, bothWays: false, forMs: 100 })
      ),
  ];
  for (const happens of away) {
    const watched = watch();
    happens(watched);
    assert.equal(watched.scored(1), 0);
    assert.equal(watched.scored(2), 1, "the other shard has one");
  }
});

Deno.test("one disturbed replica of two excuses nothing, and a disturbance ends", () => {
  const one = watch();
  one.checker.processDied?.("c");
  assert.equal(one.scored(1), 1);
  const ended = watch();
  ended.fault({ kind: "stallNode", atMs: 0, node: "a:serving", forMs: 100 });
  assert.equal(ended.scored(1, 60_700), 0);
  assert.equal(ended.scored(1, 60_900), 1);
});

Deno.test("scores of a process that has died reach no one", () => {
  const watched = watch();
  watched.checker.processDied?.("a");
  assert.equal(watched.scored(1), 0);
  watched.checker.processBegan?.("a");
  assert.equal(watched.scored(1, 80_000), 1);
});

Deno.test("a host that begins again is linked at once, unless Redis is disturbed", () => {
  /** The scorer's host is down until 70 s. */
  const begun = (downMs: number, ...faults: Fault[]) => {
    const watched = watch();
    for (const fault of faults) watched.fault(fault);
    watched.checker.processBegan?.("a");
    watched.scored(0, 70_000 - downMs);
    watched.checker.processDied?.("a");
    watched.scored(0, 70_000);
    watched.checker.processBegan?.("a");
    return watched;
  };
  const [soon, atOnce, unseen] = [
    begun(5_000),
    begun(0),
    begun(5_000, { kind: "cutRedis", atMs: 60_000, host: "b", forMs: 11_000 }),
  ];
  assert.deepEqual([soon.scored(1, 71_000), soon.scored(1, 71_300)], [0, 1]);
  assert.deepEqual([atOnce.scored(1, 72_600), atOnce.scored(1, 72_800)], [0, 1], "its silence");
  assert.deepEqual([unseen.scored(1, 81_600), unseen.scored(1, 81_800)], [0, 1]);
});

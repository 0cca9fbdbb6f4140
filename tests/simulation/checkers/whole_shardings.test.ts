import assert from "node:assert/strict";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { wholeShardings } from "../../../simulation/checkers/whole_shardings.ts";

const SCORER = "scorer/edge";
const HERE: Address = "serving_replica/0#1@edge";
const ELSEWHERE: Address = "serving_replica/1#1@edge-2";

/** A checker of a scorer that has begun with sharding 0, and the promises that it sees broken. */
function watch() {
  const failures: string[] = [];
  const create = wholeShardings(() => []);
  const checker = create({ nowMs: () => 0, fail: (message) => failures.push(message) });
  const answers = (actor: Address, message: object, value: object) =>
    checker.answers?.(actor, message as never, value);
  checker.began?.(SCORER, "edge", { sharding: 0 });
  return {
    failures,
    fills(replica: Address, learnedThroughMs: number) {
      answers(replica, { kind: "loadRows", position: {} }, {});
      answers(replica, { kind: "setMark", learnedThroughMs }, {});
    },
    scores: (learnedThroughMs: number, shardsAway = 0) =>
      answers(SCORER, { kind: "score" }, { learnedThroughMs, shardsAway }),
    says: (shardsAway: number) =>
      answers(SCORER, { kind: "getStatus" }, { ready: true, shardsAway }),
    takes: (replicas: readonly Address[]) =>
      answers(SCORER, {
        kind: "changeReplicas",
        sharding: 1,
        replicas: replicas.map((replica) => [replica]),
      }, { sharding: 1 }),
  };
}

Deno.test("a scorer takes replicas that are filled and know what it has shown", () => {
  const { failures, fills, says, scores, takes } = watch();
  says(0);
  scores(100);
  fills(HERE, 100);
  fills(ELSEWHERE, 100);
  takes([HERE, ELSEWHERE]);
  takes([HERE, ELSEWHERE]);
  assert.deepEqual(failures, []);
});

Deno.test("replicas that know less, or are not filled, break the promise", () => {
  const less = watch();
  less.says(0);
  less.scores(100);
  less.fills(HERE, 100);
  less.fills(ELSEWHERE, 99);
  less.takes([HERE, ELSEWHERE]);
  assert.equal(less.failures.length, 1);
  const empty = watch();
  empty.says(0);
  empty.scores(0);
  empty.fills(HERE, 100);
  empty.takes([HERE, ELSEWHERE]);
  assert.equal(empty.failures.length, 1);
});

Deno.test("a scorer that has not had all rows needs the replicas of its own host alone", () => {
  const began = watch();
  began.fills(HERE, 100);
  began.takes([HERE, ELSEWHERE]);
  assert.deepEqual(began.failures, []);
  const lacking = watch();
  lacking.scores(0, 2);
  lacking.fills(HERE, 100);
  lacking.takes([HERE, ELSEWHERE]);
  assert.deepEqual(lacking.failures, []);
  const restarted = watch();
  restarted.says(1);
  restarted.scores(0);
  restarted.fills(HERE, 100);
  restarted.takes([HERE, ELSEWHERE]);
  assert.deepEqual(restarted.failures, []);
  const unfilled = watch();
  unfilled.takes([HERE, ELSEWHERE]);
  assert.equal(unfilled.failures.length, 1);
});

import assert from "node:assert/strict";
import { encodeEvent } from "../../../records/event_record.ts";
import { knownRankings } from "../../../simulation/checkers/known_rankings.ts";
import type { Fault } from "../../../simulation/plan/fault.ts";

const erasure = encodeEvent({
  kind: "forget",
  erasureId: "erasure",
  pass: 1,
  user: "ann",
  atMs: 0,
  acceptedAtMs: 0,
});

/** A checker that has seen a ranking answered, in a mesh whose hosts are linked. */
function watch(request = {}) {
  const state = { nowMs: 10_000, failures: [] as string[] };
  const checker = knownRankings({
    nowMs: () => state.nowMs,
    fail: (message) => void state.failures.push(message),
  });
  const replied = (path: string, requestBody: object, status: number, body: object) =>
    checker.replied?.({ client: "visitor", method: "POST", path, requestBody, status, body });
  replied("/v1/rank", { user: "ann", ...request }, 200, { rankingId: "r" });
  return {
    checker,
    state,
    fault: (fault: Fault) => checker.fault?.(fault),
    refused(kind = "unknown-ranking", path = "/v1/events") {
      replied(path, { rankingId: "r" }, 422, { type: `/problems/${kind}` });
      return state.failures;
    },
  };
}

Deno.test("a ranking that was answered is not called unknown", () => {
  for (const path of ["/v1/events", "/v1/shown"]) {
    assert.deepEqual(watch().refused("unknown-ranking", path), [
      "the ranking r was called unknown, and its gateway runs",
    ]);
  }
  assert.deepEqual(watch().refused("item-not-shown"), []);
  assert.deepEqual(watch({ learn: false }).refused(), []);
});

Deno.test("a ranking is unknown behind the death of a process and the erasure of its user", () => {
  const died = watch();
  died.checker.processDied?.("a");
  assert.deepEqual(died.refused(), []);
  const erased = watch();
  erased.checker.durable?.("events", 0, [erasure], 0);
  assert.deepEqual(erased.refused(), []);
});

Deno.test("hosts without a link call a ranking unknown, and hosts without Redis do not", () => {
  const away = watch();
  away.fault({ kind: "cutRedis", atMs: 10_000, host: "a", forMs: 1_000 });
  assert.equal(away.refused().length, 1);
  const cut = watch();
  cut.fault({ kind: "cutHosts", atMs: 10_000, from: "a", to: "b", bothWays: true, forMs: 1_000 });
  assert.deepEqual(cut.refused(), []);
  cut.state.nowMs += 6_000;
  assert.equal(cut.refused().length, 1);
});

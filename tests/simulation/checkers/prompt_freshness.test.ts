import assert from "node:assert/strict";
import type { SetMark } from "../../../actors/serving_replica/protocol.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { promptFreshness } from "../../../simulation/checkers/prompt_freshness.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";

/** A checker, its clock, and the promises that it has seen broken. */
function watch({ isNarrow = false, linkMs = 0 } = {}) {
  const state = { nowMs: 0, failures: [] as string[] };
  const configuration = parseConfiguration(shopConfiguration, "shop.yaml");
  const parts = { latencies: { linkMs, syncMs: 0 }, isNarrow };
  const checker = promptFreshness(configuration, parts)({
    nowMs: () => state.nowMs,
    fail: (message) => void state.failures.push(message),
  });
  return {
    state,
    /** A trainer begins, with one partition of its number. */
    began(trainer: number) {
      checker.began?.(`trainer/${trainer}`, undefined, { partitions: [trainer] });
    },
    decided(acceptedAtMs: number, partition = 0) {
      checker.durable?.("examples", partition, [chunkOf(acceptedAtMs)], 0);
    },
    told(learnedThroughMs: number) {
      const message: SetMark = { kind: "setMark", learnedThroughMs };
      checker.answers?.("serving_replica/0", message, undefined);
    },
    struck() {
      checker.fault?.({ kind: "stallNode", atMs: 0, node: "main", forMs: 1 });
    },
    end: () => checker.atEnd?.(),
  };
}

function chunkOf(acceptedAtMs: number): Uint8Array {
  const none = new Uint8Array();
  return encodeExamples({
    firstRow: 0,
    rows: 1,
    schemaFingerprint: 5,
    ids: none,
    listOffsets: none,
    dense: none,
    labels: none,
    logSampleRate: none,
    servedPredictions: none,
    atMs: 0,
    acceptedAtMs,
  });
}

Deno.test("an example whose mark is served late breaks the promise", () => {
  const { state, decided, told, end } = watch();
  decided(100);
  state.nowMs = 10_000;
  told(100);
  end();
  assert.equal(state.failures.length, 1);
});

Deno.test("an example under a mark that was served before is not measured by its repetition", () => {
  const { state, decided, told, end } = watch();
  decided(100);
  told(100);
  decided(100);
  state.nowMs = 10_000;
  told(100);
  end();
  assert.deepEqual(state.failures, []);
});

Deno.test("where the queues of shards are narrow, marks may be refused twice and not longer", () => {
  for (const [lateMs, failures] of [[2_900, 0], [10_000, 1]]) {
    const { state, decided, told, end } = watch({ isNarrow: true });
    decided(100);
    state.nowMs = lateMs;
    told(100);
    end();
    assert.equal(state.failures.length, failures);
  }
});

Deno.test("over slow links an example may wait for those that its own trainer has before it", () => {
  for (const [partition, failures] of [[0, 0], [1, 1]]) {
    const { state, began, decided, told, end } = watch({ linkMs: 5 });
    began(0);
    began(1);
    for (let acceptedAtMs = 1; acceptedAtMs < 90; acceptedAtMs++) decided(acceptedAtMs);
    decided(90, partition);
    for (let acceptedAtMs = 1; acceptedAtMs <= 90; acceptedAtMs++) {
      state.nowMs += 30;
      told(acceptedAtMs);
    }
    end();
    assert.equal(state.failures.length, failures);
  }
});

Deno.test("a trainer that is faster than its nominal pace gives no time to news that are late", () => {
  for (const [paceMs, newsMs] of [[33, 6_000], [38, 3_000]]) {
    const { state, began, decided, told, end } = watch({ linkMs: 5 }); // 40 ms a chunk
    began(0);
    for (let acceptedAtMs = 1, newsAtMs = 0; state.nowMs < 90_000; acceptedAtMs++) {
      state.nowMs += paceMs;
      decided(acceptedAtMs);
      if (state.nowMs < newsAtMs) continue;
      told(acceptedAtMs - 2); // the newest two are being learned
      if (state.nowMs > 60_000) newsAtMs = state.nowMs + newsMs;
    }
    end();
    assert.equal(state.failures.length, 1, `news after ${newsMs} ms`);
  }
});

/** Decides examples one after the other; each is served so much later. */
function serveExamples(
  { state, decided, told }: ReturnType<typeof watch>,
  lateMs: number,
): void {
  for (let acceptedAtMs = 100; acceptedAtMs <= 2_000; acceptedAtMs += 100) {
    decided(acceptedAtMs);
    state.nowMs += lateMs;
    told(acceptedAtMs);
  }
}

Deno.test("at quiet moments, half of the examples are served without a wait for the next second", () => {
  for (const [lateMs, failures] of [[150, 0], [600, 1]]) {
    const run = watch();
    serveExamples(run, lateMs);
    run.end();
    assert.equal(run.state.failures.length, failures, `${lateMs} ms`);
  }
});

Deno.test("an example that waits for others came at no quiet moment", () => {
  const run = watch();
  run.decided(50); // is not served before the others are decided
  for (let acceptedAtMs = 100; acceptedAtMs <= 2_000; acceptedAtMs += 100) {
    run.decided(acceptedAtMs);
    run.decided(acceptedAtMs + 50);
    run.state.nowMs += 600;
    run.told(acceptedAtMs);
  }
  run.end();
  assert.deepEqual(run.state.failures, []);
});

Deno.test("in a run with faults, half of the examples may be served late", () => {
  const run = watch();
  serveExamples(run, 600);
  run.struck();
  run.end();
  assert.deepEqual(run.state.failures, []);
});

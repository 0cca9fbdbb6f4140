import assert from "node:assert/strict";
import type { SetMark } from "../../../actors/serving_replica/protocol.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { promptFreshness } from "../../../simulation/checkers/prompt_freshness.ts";
import { shopConfiguration } from "../../../simulation/scenarios/shop.ts";

/** A checker, its clock, and the promises that it has seen broken. */
function watch({ isNarrow = false } = {}) {
  const state = { nowMs: 0, failures: [] as string[] };
  const configuration = parseConfiguration(shopConfiguration, "shop.yaml");
  const parts = { latencies: { linkMs: 0, syncMs: 0 }, isNarrow };
  const checker = promptFreshness(configuration, parts)({
    nowMs: () => state.nowMs,
    fail: (message) => void state.failures.push(message),
  });
  return {
    state,
    decided(acceptedAtMs: number) {
      checker.durable?.("examples", 0, [chunkOf(acceptedAtMs)], 0);
    },
    told(learnedThroughMs: number) {
      const message: SetMark = { kind: "setMark", learnedThroughMs };
      checker.answers?.("serving_replica/0", message, undefined);
    },
    end: () => checker.atEnd?.(),
  };
}

function chunkOf(acceptedAtMs: number): Uint8Array {
  const none = new Uint8Array();
  return encodeExamples({
    firstRow: 0,
    rows: 1,
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

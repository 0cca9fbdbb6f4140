import assert from "node:assert/strict";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { supervision } from "../../../simulation/checkers/supervision.ts";

function watch() {
  const state = { nowMs: 0, failures: [] as string[] };
  const checker = supervision({
    nowMs: () => state.nowMs,
    fail: (message) => void state.failures.push(message),
  });
  return {
    checker,
    failuresAt(nowMs: number, gone: Address): number {
      state.nowMs = nowMs;
      checker.actorGone?.(gone, "Error: it crashed");
      return state.failures.splice(0).length;
    },
  };
}

Deno.test("a shard or a trainer that is gone breaks the promise from the start of a run", () => {
  const { failuresAt } = watch();
  for (const actor of ["embedding_shard/0", "trainer/0", "joiner/0"] as const) {
    assert.equal(failuresAt(1_000, actor), 1, actor);
  }
});

Deno.test("an older copy of the blobs excuses what begins from it, for a minute after it", () => {
  const { checker, failuresAt } = watch();
  const copy = { kind: "unmountBlobs", atMs: 0, host: "a", forMs: 2_000 } as const;
  checker.fault?.(copy);
  assert.equal(failuresAt(1_000, "trainer/0"), 1, "an empty folder is no copy");
  checker.fault?.({ ...copy, copyAgeMs: 1_000 });
  assert.equal(failuresAt(63_900, "trainer/0"), 0);
  assert.equal(failuresAt(63_900, "embedding_shard/0"), 0);
  assert.equal(failuresAt(63_900, "joiner/0"), 1);
  assert.equal(failuresAt(64_100, "trainer/0"), 1);
});

import assert from "node:assert/strict";
import type { OfferWeights } from "../../../actors/trainer/protocol.ts";
import type { DenseWeights } from "../../../kernels/dense/weights.ts";
import { averagedWeights } from "../../../simulation/checkers/averaged_weights.ts";

/** A checker of two trainers on the host learn-1, and the promises that it has seen broken. */
function watch() {
  const failures: string[] = [];
  const checker = averagedWeights({ nowMs: () => 0, fail: (message) => failures.push(message) });
  checker.began?.("trainer/0", "learn-1");
  checker.began?.("trainer/1", "learn-1");
  return {
    failures,
    began: (trainer: number, host: string) => checker.began?.(`trainer/${trainer}`, host),
    offered(trainer: number, host: string, weight: number) {
      const offer = { kind: "offerWeights" } as OfferWeights;
      const value = { weights: weightsOf(weight), examples: 1 };
      checker.answers?.(`trainer/${trainer}`, offer, value, host);
    },
    averaged(weight: number) {
      const message = { kind: "adoptMean", mean: weightsOf(weight), offered: 1 };
      checker.handles?.("trainer/1", message, "learn-1");
    },
  };
}

function weightsOf(weight: number): DenseWeights {
  return { version: 1, parameters: { bias: { shape: [1], data: Float32Array.of(weight) } } };
}

Deno.test("a mean outside the offers breaks the promise", () => {
  const { failures, offered, averaged } = watch();
  offered(0, "learn-1", 1);
  offered(1, "learn-1", 3);
  averaged(2);
  assert.deepEqual(failures, []);
  averaged(4);
  assert.deepEqual(failures, ["the mean's bias is not between the offers'"]);
});

Deno.test("a mean may have the offer of a trainer that has begun on another host meanwhile", () => {
  const { failures, began, offered, averaged } = watch();
  offered(0, "learn-1", 1);
  offered(1, "learn-1", 3);
  began(0, "learn-2");
  offered(0, "learn-1", 7);
  offered(1, "learn-1", 5);
  averaged(6);
  assert.deepEqual(failures, []);
});

Deno.test("a mean may have the offer of a trainer's new host, after its old host offered again", () => {
  const { failures, began, offered, averaged } = watch();
  offered(1, "learn-1", 3);
  began(0, "learn-2");
  offered(0, "learn-2", 9);
  offered(0, "learn-1", 1);
  averaged(6);
  assert.deepEqual(failures, []);
});

Deno.test("a mean may not have the offer of a host before the last two", () => {
  const { failures, offered, averaged } = watch();
  offered(0, "learn-1", 9);
  offered(0, "learn-2", 1);
  offered(0, "learn-3", 2);
  offered(1, "learn-1", 3);
  averaged(3);
  assert.deepEqual(failures, []);
  averaged(6);
  assert.deepEqual(failures, ["the mean's bias is not between the offers'"]);
});

import assert from "node:assert/strict";
import { NO_SOURCES, Sources } from "../../../actors/embedding_shard/sources.ts";
import type { OfferWeights } from "../../../actors/trainer/protocol.ts";
import type { DenseWeights } from "../../../kernels/dense/weights.ts";
import { gradientSource } from "../../../records/gradient_source.ts";
import { averagedWeights } from "../../../simulation/checkers/averaged_weights.ts";

/**
 * A checker of two trainers on the host learn-1, of which each has every second of four partitions,
 * and the promises that it has seen broken.
 */
function watch() {
  const failures: string[] = [];
  const checker = averagedWeights({ nowMs: () => 0, fail: (message) => failures.push(message) });
  const began = (trainer: number, host: string, tenure = 0) =>
    checker.began?.(`trainer/${trainer}`, host, { partitions: [trainer, trainer + 2], tenure });
  began(0, "learn-1");
  began(1, "learn-1");
  return {
    failures,
    began,
    offered(trainer: number, host: string, weight: number | Weights) {
      const offer = { kind: "offerWeights" } as OfferWeights;
      const value = { weights: weightsOf(weight), examples: 1 };
      checker.answers?.(`trainer/${trainer}`, offer, value, host);
    },
    /** A shard answers the gradients of a batch of the partition. */
    learned(partition: number, sequence: number, tenure = 0) {
      const source = gradientSource(partition);
      const opening = new Sources(0, "1", NO_SOURCES).open(source, tenure);
      const gradients = { kind: "applyGradients", source, sequence, opening };
      checker.answers?.("embedding_shard/0", gradients, { applied: true }, "tables");
    },
    /** The trainer adopts a mean, of version 1 as its offers. */
    adopted(trainer: number, host: string, weight: number) {
      const message = { kind: "adoptMean", mean: weightsOf(weight), offered: 1 };
      checker.answers?.(`trainer/${trainer}`, message, { adopted: true }, host);
    },
    averaged(weight: number | Weights) {
      const message = { kind: "adoptMean", mean: weightsOf(weight), offered: 1 };
      checker.handles?.("trainer/1", message, "learn-1");
    },
  };
}

type Weights = Readonly<Record<string, number>>;

/** Weights of version 1; a number is the bias. */
function weightsOf(weights: number | Weights): DenseWeights {
  const named = typeof weights === "number" ? { bias: weights } : weights;
  return {
    version: 1,
    parameters: Object.fromEntries(
      Object.entries(named).map(([name, weight]) =>
        [name, { shape: [1], data: Float32Array.of(weight) }] as const
      ),
    ),
  };
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

Deno.test("while parameter sync moves, a mean may have the offer before the newest, and no older one", () => {
  const { failures, offered, averaged } = watch();
  offered(0, "learn-1", 1);
  for (const weight of [9, 5, 3]) offered(1, "learn-1", weight);
  averaged(4);
  assert.deepEqual(failures, []);
  averaged(6);
  assert.deepEqual(failures, ["the mean's bias is not between the offers'"]);
});

Deno.test("a running variance is greater than the offers' by the variance of their means", () => {
  const { failures, offered, averaged } = watch();
  offered(0, "learn-1", { mean0: 1, variance0: 2 });
  offered(1, "learn-1", { mean0: 5, variance0: 2 });
  averaged({ mean0: 3, variance0: 6 });
  assert.deepEqual(failures, []);
  averaged({ mean0: 3, variance0: 6.1 });
  assert.deepEqual(failures, ["the mean's variance0 is not between the offers'"]);
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

Deno.test("each batch counts for the trainer that reads its partition", () => {
  const { failures, offered, adopted, learned } = watch();
  offered(1, "learn-1", 1);
  adopted(1, "learn-1", 2);
  learned(0, 8); // of trainer 0
  learned(2, 8);
  offered(1, "learn-1", 2);
  assert.deepEqual(failures, []);
  adopted(1, "learn-1", 2);
  learned(1, 8);
  learned(3, 8);
  learned(3, 8); // by another shard
  offered(1, "learn-1", 2);
  assert.deepEqual(failures, [
    "trainer/1 offers version 1, after the mean of version 1 and 2 batches",
  ]);
});

Deno.test("gradients under an earlier tenure do not count for the trainer's new host", () => {
  const { failures, began, offered, adopted, learned } = watch();
  began(1, "learn-2", 1);
  offered(1, "learn-2", 1);
  adopted(1, "learn-2", 2);
  learned(3, 8, 0);
  offered(1, "learn-2", 2);
  assert.deepEqual(failures, []);
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { nextMean, WeightAveraging } from "../../../actors/parameter_sync/weight_averaging.ts";
import type { TrainerMessage, WeightOffer } from "../../../actors/trainer/protocol.ts";
import { type DenseWeights, ontoMean } from "../../../kernels/dense/weights.ts";
import type { ActorRef } from "../../../mesh/runtime/actor.ts";

const SIZE = 3;

function weightsOf(version: number, values: readonly number[]): DenseWeights {
  const data = Float32Array.from(values);
  return { version, parameters: { w0: { shape: [SIZE], data } } };
}

const values = fc.array(fc.integer({ min: -100, max: 100 }), {
  minLength: SIZE,
  maxLength: SIZE,
});
const offer: fc.Arbitrary<WeightOffer> = fc.record({
  weights: fc.tuple(fc.nat(1_000), values).map(([version, data]) => weightsOf(version, data)),
  examples: fc.nat(10_000),
});
const offers = fc.array(offer, { minLength: 1, maxLength: 6 });

Deno.test("every example has the same weight in the mean", () => {
  fc.assert(fc.property(offers, (offers) => {
    const mean = nextMean(offers, weightsOf(0, [0, 0, 0]), -1);
    const total = offers.reduce((sum, { examples }) => sum + examples, 0);
    if (total === 0) return assert.equal(mean, undefined);
    for (let i = 0; i < SIZE; i++) {
      const sum = offers.reduce(
        (sum, { weights, examples }) => sum + examples * weights.parameters.w0.data[i],
        0,
      );
      assert.equal(mean!.parameters.w0.data[i], Math.fround(sum / total));
    }
  }));
});

Deno.test("the first mean with examples is above the served version, also where trainers went back", () => {
  const weights = weightsOf(60, [1, 1, 1]);
  assert.equal(nextMean([{ weights, examples: 5 }], undefined, 100)!.version, 101);
  assert.equal(nextMean([{ weights, examples: 0 }], undefined, 100)!.version, 60);
});

Deno.test("the version of a mean is at least every offer's, and above the last mean's and the served one", () => {
  fc.assert(fc.property(offers, fc.nat(2_000), fc.nat(2_000), (offers, lastVersion, served) => {
    const mean = nextMean(offers, weightsOf(lastVersion, [0, 0, 0]), served);
    if (mean === undefined) return;
    assert.ok(mean.version > lastVersion && mean.version > served);
    for (const { weights } of offers) assert.ok(mean.version >= weights.version);
  }));
});

Deno.test("the first mean of equal weights without examples is these weights", () => {
  fc.assert(fc.property(values, fc.integer({ min: 1, max: 6 }), (data, trainers) => {
    const same = Array.from({ length: trainers }, () => ({
      weights: weightsOf(0, data),
      examples: 0,
    }));
    assert.deepEqual(nextMean(same, undefined, -1), weightsOf(0, data));
  }));
});

Deno.test("steps since the offer are kept on top of the mean", () => {
  fc.assert(
    fc.property(values, values, values, fc.nat(9), (mean, offered, present, steps) => {
      const moved = ontoMean(
        weightsOf(50, mean),
        weightsOf(40, offered),
        weightsOf(40 + steps, present),
      );
      const expected = mean.map((value, i) =>
        steps === 0 ? value : value + present[i] - offered[i]
      );
      assert.deepEqual(moved, weightsOf(50 + steps, expected));
    }),
  );
});

/** A trainer that answers from memory, and fails while `away`. */
function trainerOf(offer: WeightOffer) {
  const trainer = {
    offer,
    away: false,
    adopted: undefined as DenseWeights | undefined,
    ask(message: TrainerMessage): Promise<unknown> {
      if (trainer.away) return Promise.reject(new Error("away"));
      if (message.kind !== "adoptMean") return Promise.resolve(trainer.offer);
      assert.equal(message.offered, trainer.offer.weights.version);
      trainer.adopted = message.mean;
      trainer.offer = { weights: message.mean, examples: 0 };
      return Promise.resolve({ adopted: true });
    },
  };
  return trainer;
}

Deno.test("a trainer that does not answer is left out of the round, and its steps go into the next one", async () => {
  const one = trainerOf({ weights: weightsOf(3, [1, 1, 1]), examples: 10 });
  const two = trainerOf({ weights: weightsOf(5, [4, 4, 4]), examples: 20 });
  const refs = [one, two] as unknown as ActorRef<TrainerMessage>[];
  const averaging = new WeightAveraging(refs, 1_000);
  assert.deepEqual(await averaging.round(-1), []);
  assert.deepEqual(averaging.mean, weightsOf(5, [3, 3, 3]));
  assert.deepEqual([one.adopted, two.adopted], [averaging.mean, averaging.mean]);

  assert.deepEqual(await averaging.round(-1), []);
  assert.equal(averaging.mean!.version, 5, "nothing was learned since");

  one.offer = { weights: weightsOf(7, [9, 9, 9]), examples: 30 };
  two.away = true;
  two.offer = { weights: weightsOf(6, [0, 0, 0]), examples: 30 };
  assert.deepEqual((await averaging.round(-1)).map(({ message }) => message), ["away"]);
  assert.deepEqual(averaging.mean, weightsOf(7, [9, 9, 9]));

  two.away = false;
  assert.deepEqual(await averaging.round(-1), []);
  assert.deepEqual(
    averaging.mean,
    weightsOf(8, [0, 0, 0]),
    "only this trainer has learned since",
  );
  assert.deepEqual(one.adopted, averaging.mean);
});

Deno.test("scorers get a learned mean that was made before they told which version they serve", async () => {
  const trainers = [1, 2].map(() => trainerOf({ weights: weightsOf(60, [1, 1, 1]), examples: 5 }));
  const averaging = new WeightAveraging(trainers as unknown as ActorRef<TrainerMessage>[], 1_000);
  await averaging.round(-1);
  assert.equal(averaging.mean!.version, 60);
  await averaging.round(100);
  assert.deepEqual(averaging.mean, weightsOf(101, [1, 1, 1]));
  await averaging.round(101);
  assert.equal(averaging.mean!.version, 101, "they have it");
});

Deno.test("weights of another model are left out of the mean", async () => {
  const [one, two] = [1, 3].map((value) =>
    trainerOf({ weights: weightsOf(3, [value, value, value]), examples: 10 })
  );
  const other = trainerOf({ weights: weightsOf(5, [4, 4]), examples: 20 });
  const trainers = [other, one, two];
  const averaging = new WeightAveraging(trainers as unknown as ActorRef<TrainerMessage>[], 1);
  const [error, ...others] = await averaging.round(-1);
  assert.equal(error.name, "WeightsMismatchError");
  assert.deepEqual(others, []);
  assert.deepEqual(averaging.mean, weightsOf(3, [2, 2, 2]), "that of most trainers");
  assert.equal(other.adopted, undefined);
  // All trainers that are left have the other model.
  one.away = two.away = true;
  await averaging.round(-1);
  assert.deepEqual(averaging.mean?.parameters, weightsOf(0, [4, 4]).parameters);
});

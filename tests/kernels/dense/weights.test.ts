/**
 * Averages of running moments, against the moments of one trainer that saw all values.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { averageWeights, type DenseWeights } from "../../../kernels/dense/weights.ts";

/** Weights of a trainer with one unit, whose running moments are those of the given values. */
function trained(values: readonly number[], w: number): DenseWeights {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const parameters = { tower_w0: w, tower_mean0: mean, tower_variance0: variance };
  return {
    version: values.length,
    parameters: Object.fromEntries(
      Object.entries(parameters).map((
        [name, value],
      ) => [name, { shape: [1], data: Float32Array.of(value) }]),
    ),
  };
}

Deno.test("averaged running moments of trainers equal those of one trainer that saw all values", () => {
  const part = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
    const mean = averageWeights(
      parts.map((values, i) => trained(values, i)),
      parts.map((values) => values.length),
    );
    const whole = trained(parts.flat(), NaN);
    for (const name of ["tower_mean0", "tower_variance0"]) {
      const [found, expected] = [mean, whole].map(({ parameters }) => parameters[name].data[0]);
      assert.ok(Math.abs(found - expected) <= 1e-4 * Math.max(1, Math.abs(expected)), name);
    }
    assert.equal(mean.version, Math.max(...parts.map(({ length }) => length)));
  }));
});

/**
 * A model's dense weights, in the form that trainers, scorers and snapshots exchange.
 */
import { invariant } from "../../structures/invariant.ts";
import { meanOfVariance } from "./models/normalization.ts";
import { BLOCK_WIDTH, type WeightLayout } from "./weight_layout.ts";

/** One parameter's values. */
export interface DenseTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** All dense weights after some step. */
export interface DenseWeights {
  /** Number of training steps behind these weights; keeps growing when the model is changed. */
  readonly version: number;
  /** Parameters by name (`w0`, `b0`, `bias`, …). */
  readonly parameters: Readonly<Record<string, DenseTensor>>;
}

/** The weights belong to another model. */
export class WeightsMismatchError extends Error {
  override readonly name = "WeightsMismatchError";
}

/** Splits the matrix of all weights into parameters; copies. */
export function unpackWeights(
  matrix: Float32Array,
  layout: WeightLayout,
  version: number,
): DenseWeights {
  const parameters = layout.ranges.map(({ name, shape, size, firstBlock }) => {
    const start = firstBlock * BLOCK_WIDTH;
    const data = matrix.slice(start, start + size) as Float32Array<ArrayBuffer>;
    return [name, { shape, data }] as const;
  });
  return { version, parameters: Object.fromEntries(parameters) };
}

/** Names and shapes of a model's parameters, as a {@link WeightLayout} has them. */
export interface ParameterShapes {
  readonly ranges: readonly Pick<WeightLayout["ranges"][number], "name" | "shape" | "size">[];
}

/** The names and shapes of the parameters of these weights. */
export function shapesOf({ parameters }: DenseWeights): ParameterShapes {
  const ranges = Object.entries(parameters).map(([name, { shape, data }]) => {
    return { name, shape, size: data.length };
  });
  return { ranges };
}

/**
 * Checks that weights belong to a model.
 *
 * @throws {WeightsMismatchError} When a parameter is missing, unknown or of another shape.
 */
export function requireWeights(weights: DenseWeights, layout: ParameterShapes): void {
  const given = Object.keys(weights.parameters);
  const unknown = given.filter((name) => !layout.ranges.some((entry) => entry.name === name));
  if (unknown.length > 0) {
    throw new WeightsMismatchError(
      `Cannot load dense weights: this model has no "${unknown.join('", "')}"; it has "${
        layout.ranges.map(({ name }) => name).join('", "')
      }".`,
    );
  }
  for (const { name, shape, size } of layout.ranges) {
    const tensor = weights.parameters[name];
    if (tensor?.data.length !== size || tensor.shape.join() !== shape.join()) {
      throw new WeightsMismatchError(
        `Cannot load dense weights: "${name}" must have shape [${shape}] and ${size} values, got ${
          tensor === undefined
            ? "nothing"
            : `shape [${tensor.shape}] and ${tensor.data.length} values`
        }.`,
      );
    }
  }
}

/**
 * Joins parameters into the matrix of all weights; copies.
 *
 * @throws {WeightsMismatchError} As {@link requireWeights}.
 */
export function packWeights(
  weights: DenseWeights,
  layout: WeightLayout,
): Float32Array<ArrayBuffer> {
  requireWeights(weights, layout);
  const matrix = new Float32Array(layout.blocks * BLOCK_WIDTH);
  for (const { name, firstBlock } of layout.ranges) {
    matrix.set(weights.parameters[name].data, firstBlock * BLOCK_WIDTH);
  }
  return matrix;
}

/**
 * The mean of several trainers' weights; its version is the highest of theirs. Each trainer sees a
 * part of the data, so a running variance of batch normalisation becomes the mean of the variances
 * plus the variance of the means.
 *
 * @param shares Weight of each trainer in the mean, ≥ 0 with a positive sum. Default: all the same.
 * @see McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data",
 *   AISTATS 2017
 */
export function averageWeights(
  all: readonly DenseWeights[],
  shares: readonly number[] = all.map(() => 1),
): DenseWeights {
  const [first] = all;
  const total = shares.reduce((sum, share) => sum + share, 0);
  invariant(shares.length === all.length, "every trainer has a share");
  invariant(total > 0, "the shares have a positive sum");
  const mean = (of: (parameters: DenseWeights["parameters"]) => number) =>
    all.reduce((sum, { parameters }, i) => sum + shares[i] * of(parameters), 0) / total;
  const parameters = Object.entries(first.parameters).map(([name, { shape, data }]) => {
    const running = meanOfVariance(name);
    const averaged = data.map((_, index) => {
      const value = mean((parameters) => parameters[name].data[index]);
      if (running === undefined) return value;
      const center = mean((parameters) => parameters[running].data[index]);
      return value + mean((parameters) => (parameters[running].data[index] - center) ** 2);
    });
    return [name, { shape, data: averaged }] as const;
  });
  const version = Math.max(...all.map((weights) => weights.version));
  return { version, parameters: Object.fromEntries(parameters) };
}

/**
 * The mean plus the changes that this trainer made since it offered its weights, so that no step is
 * lost while the mean is computed.
 *
 * @param offered This trainer's contribution to the mean.
 * @param present This trainer's weights now, `present.version - offered.version` steps later.
 */
export function ontoMean(
  mean: DenseWeights,
  offered: DenseWeights,
  present: DenseWeights,
): DenseWeights {
  const steps = present.version - offered.version;
  invariant(steps >= 0, "weights do not go back while their mean is computed");
  if (steps === 0) return mean;
  const parameters = Object.entries(mean.parameters).map(([name, { shape, data }]) => {
    const before = offered.parameters[name].data;
    const now = present.parameters[name].data;
    return [name, { shape, data: data.map((value, i) => value + (now[i] - before[i])) }] as const;
  });
  return { version: mean.version + steps, parameters: Object.fromEntries(parameters) };
}

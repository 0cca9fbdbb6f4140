/**
 * A model's dense weights, as they travel between trainers, rankers and snapshots.
 */
import { meanOfVariance } from "./models/normalization.ts";
import { BLOCK_WIDTH, type WeightLayout } from "./weight_layout.ts";

/** One parameter's values. */
export interface DenseTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** The weights of one moment, by name. */
export interface DenseWeights {
  /** Training steps that made them, from 0; grows, also where the model was changed. */
  readonly version: number;
  /** Parameters by name (`w0`, `b0`, `bias`, …). */
  readonly parameters: Readonly<Record<string, DenseTensor>>;
}

/** The weights do not belong to the model. */
export class WeightsMismatchError extends Error {
  override readonly name = "WeightsMismatchError";
}

/** Cuts the matrix of all weights into parameters; copies. */
export function unpackWeights(
  matrix: Float32Array,
  layout: WeightLayout,
  version: number,
): DenseWeights {
  const parameters = layout.slots.map(({ name, shape, size, firstBlock }) => {
    const start = firstBlock * BLOCK_WIDTH;
    const data = matrix.slice(start, start + size) as Float32Array<ArrayBuffer>;
    return [name, { shape, data }] as const;
  });
  return { version, parameters: Object.fromEntries(parameters) };
}

/**
 * Refuses weights of another model.
 *
 * @throws {WeightsMismatchError} When a parameter is missing, unknown or of another shape.
 */
export function requireWeights(weights: DenseWeights, layout: WeightLayout): void {
  const given = Object.keys(weights.parameters);
  const unknown = given.filter((name) => !layout.slots.some((entry) => entry.name === name));
  if (unknown.length > 0) {
    throw new WeightsMismatchError(
      `Cannot load dense weights: this model has no "${unknown.join('", "')}"; it has "${
        layout.slots.map(({ name }) => name).join('", "')
      }".`,
    );
  }
  for (const { name, shape, size } of layout.slots) {
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
  for (const { name, firstBlock } of layout.slots) {
    matrix.set(weights.parameters[name].data, firstBlock * BLOCK_WIDTH);
  }
  return matrix;
}

/**
 * The mean of several trainers' weights, their version the highest. Running variances of batch normalisation become those
 * of all the data: the mean of the variances, and the variance of the means, for each trainer sees a part of its own.
 *
 * @param shares How much each counts, ≥ 0, one of them more; left out, all count alike.
 * @see McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017
 */
export function averageWeights(
  all: readonly DenseWeights[],
  shares: readonly number[] = all.map(() => 1),
): DenseWeights {
  const [first] = all;
  const total = shares.reduce((sum, share) => sum + share, 0);
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
 * The mean of weights that were offered, plus what was learned on top of those since: nothing is lost while the mean
 * is computed.
 *
 * @param offered What went into the mean.
 * @param present The weights now, `present.version - offered.version` steps later.
 */
export function ontoMean(
  mean: DenseWeights,
  offered: DenseWeights,
  present: DenseWeights,
): DenseWeights {
  const steps = present.version - offered.version;
  if (steps === 0) return mean;
  const parameters = Object.entries(mean.parameters).map(([name, { shape, data }]) => {
    const before = offered.parameters[name].data;
    const now = present.parameters[name].data;
    return [name, { shape, data: data.map((value, i) => value + (now[i] - before[i])) }] as const;
  });
  return { version: mean.version + steps, parameters: Object.fromEntries(parameters) };
}

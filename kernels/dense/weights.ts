/**
 * A model's dense weights, as they travel between trainers, rankers and snapshots.
 */
export interface DenseTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

/** The weights of one moment, by name. */
export interface DenseWeights {
  /** Training steps that made them, from 0; grows. */
  readonly version: number;
  /** Parameters by name (`w0`, `b0`, `bias`, …). */
  readonly parameters: Readonly<Record<string, DenseTensor>>;
}

/** Names and shapes of parameters in the order of the flat vector. */
export type WeightLayout = readonly {
  readonly name: string;
  readonly shape: readonly number[];
}[];

/** The weights do not belong to the model. */
export class WeightsMismatchError extends Error {
  override readonly name = "WeightsMismatchError";
}

/** Cuts the flat vector into parameters; copies. */
export function unpackWeights(
  flat: Float32Array,
  layout: WeightLayout,
  version: number,
): DenseWeights {
  let start = 0;
  const parameters = layout.map(({ name, shape }) => {
    const data = flat.slice(start, start += elements(shape)) as Float32Array<ArrayBuffer>;
    return [name, { shape, data }] as const;
  });
  return { version, parameters: Object.fromEntries(parameters) };
}

/**
 * Joins parameters into the flat vector; copies.
 *
 * @throws {WeightsMismatchError} When a parameter is missing, unknown or of another shape.
 */
export function packWeights(
  weights: DenseWeights,
  layout: WeightLayout,
): Float32Array<ArrayBuffer> {
  const given = Object.keys(weights.parameters);
  const unknown = given.filter((name) => !layout.some((entry) => entry.name === name));
  if (unknown.length > 0) {
    throw new WeightsMismatchError(
      `Cannot load dense weights: this model has no "${unknown.join('", "')}"; it has "${
        layout.map(({ name }) => name).join('", "')
      }".`,
    );
  }
  const flat = new Float32Array(layout.reduce((sum, { shape }) => sum + elements(shape), 0));
  let start = 0;
  for (const { name, shape } of layout) {
    const tensor = weights.parameters[name];
    if (tensor?.data.length !== elements(shape) || tensor.shape.join() !== shape.join()) {
      throw new WeightsMismatchError(
        `Cannot load dense weights: "${name}" must have shape [${shape}], got ${
          tensor === undefined ? "nothing" : `[${tensor.shape}] with ${tensor.data.length} values`
        }.`,
      );
    }
    flat.set(tensor.data, start);
    start += tensor.data.length;
  }
  return flat;
}

/**
 * The mean of several trainers' weights, their version the highest.
 *
 * @see McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017
 */
export function averageWeights(all: readonly DenseWeights[]): DenseWeights {
  const [first] = all;
  const parameters = Object.entries(first.parameters).map(([name, { shape, data }]) => {
    const mean = data.map((_, index) =>
      all.reduce((sum, { parameters }) => sum + parameters[name].data[index], 0) / all.length
    );
    return [name, { shape, data: mean }] as const;
  });
  const version = Math.max(...all.map((weights) => weights.version));
  return { version, parameters: Object.fromEntries(parameters) };
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/**
 * First values of the dense weights: a function of the seed and of each parameter's name and shape.
 */
import { mixKey, uniformAt } from "./counter_random.ts";
import { staticSize } from "./graph/shape.ts";
import type { ParameterValue } from "./graph/value.ts";
import type { DenseWeights } from "./weights.ts";

/** Untrained weights of version 0. */
export function initialWeights(parameters: readonly ParameterValue[], seed: number): DenseWeights {
  const values = parameters.map((parameter) => {
    const shape = parameter.shape as number[];
    return [parameter.name, { shape, data: initialValue(parameter, seed) }] as const;
  });
  return { version: 0, parameters: Object.fromEntries(values) };
}

function initialValue(
  { name, shape, initializer }: ParameterValue,
  seed: number,
): Float32Array<ArrayBuffer> {
  const values = new Float32Array(staticSize(shape));
  switch (initializer.kind) {
    case "zeros":
      return values;
    case "constant":
      return values.fill(initializer.value);
    case "glorotUniform": {
      const [fanIn, fanOut] = shape as number[];
      const limit = Math.sqrt(6 / (fanIn + fanOut));
      const key = mixKey([seed, ...new TextEncoder().encode(name)]);
      return values.map((_, index) => limit * (2 * uniformAt(key, index) - 1));
    }
    default:
      return initializer satisfies never;
  }
}

/**
 * First values of the dense weights: a function of the seed and of each parameter's name and shape.
 */
import { mixKey, uniformAt } from "./counter_random.ts";
import { staticSize } from "./graph/shape.ts";
import type { ParameterValue } from "./graph/value.ts";

/** The flat vector of all parameters, in order. */
export function initialWeights(
  parameters: readonly ParameterValue[],
  seed: number,
): Float32Array<ArrayBuffer> {
  const pieces = parameters.map((parameter) => initialValue(parameter, seed));
  const flat = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let start = 0;
  for (const piece of pieces) {
    flat.set(piece, start);
    start += piece.length;
  }
  return flat;
}

function initialValue({ name, shape, initializer }: ParameterValue, seed: number): Float32Array {
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

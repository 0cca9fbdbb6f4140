/**
 * Operands that the graph's methods recognise, to fold factors and transposes.
 */
import type { Value } from "./value.ts";

/**
 * The number that a constant repeats, directly or through a broadcast; undefined for other values.
 */
export function uniformFactor(value: Value): number | undefined {
  const source = value.op === "BroadcastTo" ? value.inputs[0] : value;
  return source.op === "Constant" && source.data.length === 1 ? source.data[0] : undefined;
}

/** The operand of a transpose of the last two axes; undefined for other values. */
export function untransposed(value: Value): Value | undefined {
  if (value.op !== "Transpose") return undefined;
  const rank = value.shape.length;
  const swapsLast = value.attributes.permutation.every((from, axis) =>
    from === (axis < rank - 2 ? axis : 2 * rank - 3 - axis)
  );
  return swapsLast ? value.inputs[0] : undefined;
}

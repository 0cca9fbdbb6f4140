/**
 * The table of all ops: a mapped type over the list in op.ts, so that a missing entry does not
 * compile.
 */
import { algebraOps } from "./algebra.ts";
import { elementwiseOps } from "./elementwise.ts";
import { indexingOps } from "./indexing.ts";
import { movementOps } from "./movement.ts";
import type { OpName, OpRule, OpTable } from "./op.ts";

export const opRules: OpTable = {
  ...elementwiseOps,
  ...algebraOps,
  ...movementOps,
  ...indexingOps,
};

/** The rule of an op whose name is known only at run time. */
export function ruleOf(name: OpName): OpRule<OpName> {
  return opRules[name] as unknown as OpRule<OpName>;
}

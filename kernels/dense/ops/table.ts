/**
 * The table of all ops; a mapped type over the list in op.ts, so the compiler asks for what is missing.
 */
import { algebraOps } from "./algebra.ts";
import { elementwiseOps } from "./elementwise.ts";
import { indexingOps } from "./indexing.ts";
import { movementOps } from "./movement.ts";
import type { OpName, OpRule, OpTable } from "./op.ts";

export const OPS: OpTable = { ...elementwiseOps, ...algebraOps, ...movementOps, ...indexingOps };

/** The rule of an op whose name is only known at run time. */
export function ruleOf(name: OpName): OpRule<OpName> {
  return OPS[name] as unknown as OpRule<OpName>;
}

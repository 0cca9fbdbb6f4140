/**
 * The code's own promises hold: no actor crashes by a broken invariant or by a mistake of the code.
 *
 *     ∀ crash:  its reason is neither an InvariantError nor one of the engine's errors
 */
import type { Checker, CheckerContext } from "./checker.ts";

const MISTAKES = /InvariantError|Broken invariant|TypeError|RangeError|ReferenceError/;

export function heldInvariants(context: CheckerContext): Checker {
  return {
    name: "held-invariants",
    logged(line, reason) {
      if (/crashed and restarts/.test(line) && MISTAKES.test(reason)) {
        context.fail(`${line}: ${reason}`);
      }
    },
  };
}

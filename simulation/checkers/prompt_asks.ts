/**
 * Every ask ends, in time, and its effect too.
 *
 *     ∀ ask with budget b, while its asker lives:  it ends at b + LATE_MS at the latest, not
 *                                                  counting time for which its thread stood still
 *     ∀ request that is handled:                   its deadline is ahead
 */
import type { Checker, CheckerContext } from "./checker.ts";

/** The tick of the deadlines, and the time for which an asker waits for a report, ms. */
export const LATE_MS = 8 + 50;

export function promptAsks(context: CheckerContext): Checker {
  return {
    name: "prompt-asks",
    askLate(from, to, kind, lateMs) {
      context.fail(`${kind} from ${from} to ${to} is ${lateMs.toFixed(1)} ms behind its budget`);
    },
    handledLate(actor, kind) {
      context.fail(`${actor} handled ${kind} after its deadline`);
    },
  };
}

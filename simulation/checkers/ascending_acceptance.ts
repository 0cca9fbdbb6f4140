/**
 * Acceptance times ascend in the order of the event log, over restarts and steps of the wall clock.
 *
 *     ∀ actions a before b in the log:  acceptedAtMs(a) < acceptedAtMs(b)
 */
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

export function ascendingAcceptance(context: CheckerContext): Checker {
  let last = -Infinity;
  return {
    name: "ascending-acceptance",
    durable(log, _partition, records, firstOffset) {
      if (log !== "events") return;
      decodedEvents(records).forEach((record, i) => {
        if (record.kind !== "action") return;
        if (record.acceptedAtMs <= last) {
          context.fail(
            `the action at offset ${firstOffset + i} was accepted at ${record.acceptedAtMs}, ` +
              `the one before it at ${last}`,
          );
        }
        last = record.acceptedAtMs;
      });
    },
  };
}

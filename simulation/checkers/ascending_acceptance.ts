/**
 * Acceptance times ascend in the order of a partition of the event log, over restarts and steps of
 * the wall clock.
 *
 *     ∀ events or marks a before b in a partition:  acceptedAtMs(a) < acceptedAtMs(b)
 */
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

export function ascendingAcceptance(context: CheckerContext): Checker {
  /** By partition. */
  const newest: number[] = [];
  return {
    name: "ascending-acceptance",
    durable(log, partition, records, firstOffset) {
      if (log !== "events") return;
      decodedEvents(records).forEach((record, i) => {
        if (record.kind !== "action" && record.kind !== "mark") return;
        const last = newest[partition] ?? -Infinity;
        if (record.acceptedAtMs <= last) {
          context.fail(
            `the ${record.kind} at offset ${
              firstOffset + i
            } of partition ${partition} was accepted at ${record.acceptedAtMs}, ` +
              `the one before it at ${last}`,
          );
        }
        newest[partition] = record.acceptedAtMs;
      });
    },
  };
}

/**
 * Acceptance times ascend in the order of a partition of the event log, over restarts and steps of
 * the wall clock.
 *
 *     ∀ events or marks a before b in a partition:  acceptedAtMs(a) < acceptedAtMs(b)
 *
 * The records that a fail-over of Redis has lost are in no partition any more.
 */
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

export function ascendingAcceptance(context: CheckerContext): Checker {
  /** The events and marks of each partition, the newest last. */
  const accepted = new Map<number, { readonly offset: number; readonly atMs: number }[]>();
  return {
    name: "ascending-acceptance",
    durable(log, partition, records, firstOffset) {
      if (log !== "events") return;
      const earlier = accepted.get(partition) ?? [];
      accepted.set(partition, earlier);
      decodedEvents(records).forEach((record, i) => {
        if (record.kind !== "action" && record.kind !== "mark") return;
        const { kind, acceptedAtMs: atMs } = record;
        const offset = firstOffset + i;
        const last = earlier.at(-1);
        if (last !== undefined && atMs <= last.atMs) {
          context.fail(
            `the ${kind} at offset ${offset} of partition ${partition} was accepted at ${atMs}, ` +
              `the one before it at ${last.atMs}`,
          );
        }
        earlier.push({ offset, atMs });
      });
    },
    tailLost(log, partition, endOffset) {
      const earlier = log === "events" ? accepted.get(partition) ?? [] : [];
      while ((earlier.at(-1)?.offset ?? -1) >= endOffset) earlier.pop();
    },
  };
}

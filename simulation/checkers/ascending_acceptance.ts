/**
 * Acceptance times ascend in the order of a partition of the event log, over restarts, steps of
 * wall clocks and clocks that differ. A clock that is behind follows the others in the smallest
 * steps, and does not drive them forward.
 *
 *     ∀ events or marks a before b in a partition:  acceptedAtMs(a) < acceptedAtMs(b)
 *     ∀ event or mark a:  acceptedAtMs(a) ≤ latest + n · ACCEPTANCE_STEP_MS
 *
 * `latest` is the latest time that a clock has shown until a is durable, and n the number of events
 * and marks until then. The records that a fail-over of Redis has lost are in no partition any
 * more.
 */
import { ACCEPTANCE_STEP_MS } from "../../mesh/ports/event_log.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

/** @param world Has the latest time that any of its wall clocks has shown, ms. */
export function ascendingAcceptance(world: { readonly latestWallMs: number }): CheckerFactory {
  return (context) => create(context, world);
}

function create(context: CheckerContext, world: { readonly latestWallMs: number }): Checker {
  let count = 0;
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
        const aheadMs = atMs - world.latestWallMs;
        if (aheadMs > ++count * ACCEPTANCE_STEP_MS) {
          context.fail(
            `the ${kind} at offset ${offset} of partition ${partition} was accepted ${aheadMs} ms ` +
              `later than any clock has shown, and ${count} events and marks were accepted`,
          );
        }
      });
    },
    tailLost(log, partition, endOffset) {
      const earlier = log === "events" ? accepted.get(partition) ?? [] : [];
      while ((earlier.at(-1)?.offset ?? -1) >= endOffset) earlier.pop();
    },
  };
}

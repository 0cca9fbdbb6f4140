/**
 * No accepted event is lost, and an event id stands for one event as long as it is remembered.
 *
 *     ∀ answer "accepted" or "duplicate" for event e at t:
 *         e is durable in the event log at t, with the answer's acceptedAtMs
 *     ∀ two records of one event id, a before b:
 *         of the events before b, at least 7/8 of eventsRememberedMax are newer than a:
 *         accepted after a, or durable after a
 *
 * A gateway remembers the newest events in the order in which they became durable, and a gateway
 * that starts reads them from all partitions in the order of their acceptance. A sync that takes
 * its time makes the two orders differ.
 *
 * A fail-over of Redis that loses records ends the promise for these.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

interface EventAnswer {
  readonly eventId?: string;
  readonly status: string;
  readonly acceptedAtMs?: number;
}

/** Share of its limit that the gateway remembers at least. */
const REMEMBERED_SHARE = 7 / 8;

/** @param configuration That of the process that runs. */
export function acceptedEvents(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(configuration: () => CairnConfiguration, context: CheckerContext): Checker {
  /** Acceptance times of an event id's records, and the index of the newest. */
  const durable = new Map<string, { readonly times: Set<number>; readonly index: number }>();
  /** Acceptance time of each event, in the order in which they became durable. */
  const events: number[] = [];
  /** Event ids of a partition's records, by offset; undefined for other records. */
  const ids = new Map<number, (string | undefined)[]>();
  /** Events that a fail-over of Redis has lost: answers about them may still come. */
  const lost = new Set<string>();
  return {
    name: "accepted-events",
    durable(log, partition, records) {
      if (log !== "events") return;
      const offsets = ids.get(partition) ?? [];
      ids.set(partition, offsets);
      for (const record of decodedEvents(records)) {
        offsets.push(record.kind === "action" ? record.eventId : undefined);
        if (record.kind !== "action") continue;
        const { eventId, acceptedAtMs } = record;
        const earlier = durable.get(eventId);
        const remembered = configuration().gateway.eventsRememberedMax * REMEMBERED_SHARE;
        const newer = earlier && newerThan(events, earlier.index);
        if (newer !== undefined && newer < Math.floor(remembered)) {
          context.fail(
            `the event ${eventId} is in the event log twice, and ${newer} events are newer than ` +
              `its first record`,
          );
        }
        const { times } = earlier ?? { times: new Set() };
        durable.set(eventId, { times: times.add(acceptedAtMs), index: events.length });
        events.push(acceptedAtMs);
      }
    },
    tailLost(log, partition, endOffset) {
      if (log !== "events") return;
      for (const eventId of ids.get(partition)?.splice(endOffset) ?? []) {
        if (eventId === undefined) continue;
        durable.delete(eventId);
        lost.add(eventId);
      }
    },
    replied({ path, method, status, body }) {
      if (method !== "POST" || path !== "/v1/events" || status === 0) return;
      const { events = [] } = body as { readonly events?: readonly EventAnswer[] };
      for (const { eventId = "", status: word, acceptedAtMs } of events) {
        if (word !== "accepted" && word !== "duplicate") continue;
        if (lost.has(eventId)) continue;
        const written = durable.get(eventId);
        if (written === undefined) {
          context.fail(`the event ${eventId} was answered "${word}" and is not durable`);
        } else if (acceptedAtMs === undefined || !written.times.has(acceptedAtMs)) {
          context.fail(
            `the event ${eventId} was answered acceptedAtMs ${acceptedAtMs}; the log has ` +
              [...written.times].join(),
          );
        }
      }
    },
  };
}

/** Events that were accepted, or became durable, after the one of this index. */
function newerThan(events: readonly number[], index: number): number {
  return events.filter((acceptedAtMs, i) => i > index || acceptedAtMs > events[index]).length;
}

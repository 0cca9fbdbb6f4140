/**
 * No accepted event is lost, and an event id stands for one event as long as it is remembered.
 *
 *     ∀ answer "accepted" or "duplicate" for event e at t:
 *         e is durable in the event log at t, with the answer's acceptedAtMs
 *     ∀ two records of one event id:
 *         at least 7/8 of eventsRememberedMax other events lie between them
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
  /** Acceptance times of an event id's records, and the number of the newest. */
  const durable = new Map<string, { readonly times: Set<number>; number: number }>();
  let events = 0;
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
        const number = events++;
        const earlier = durable.get(eventId);
        const remembered = configuration().gateway.eventsRememberedMax * REMEMBERED_SHARE;
        if (earlier !== undefined && number - earlier.number - 1 < Math.floor(remembered)) {
          context.fail(
            `the event ${eventId} is in the event log twice, with ` +
              `${number - earlier.number - 1} events between`,
          );
        }
        const { times } = earlier ?? { times: new Set() };
        durable.set(eventId, { times: times.add(acceptedAtMs), number });
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

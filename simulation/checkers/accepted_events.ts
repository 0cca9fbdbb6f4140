/**
 * No accepted event is lost, and an event id stands for one event.
 *
 *     ∀ answer "accepted" or "duplicate" for event e at t:  e is durable in the event log at t
 *     ∀ answers for one event id:                           they give one acceptedAtMs
 *     ∀ event id:                                           at most one record in the event log
 */
import { decodeEvent } from "../../records/event_record.ts";
import type { Checker, CheckerContext } from "./checker.ts";

interface EventAnswer {
  readonly eventId?: string;
  readonly status: string;
  readonly acceptedAtMs?: number;
}

export function acceptedEvents(context: CheckerContext): Checker {
  /** `acceptedAtMs` by event id. */
  const durable = new Map<string, number>();
  return {
    name: "accepted-events",
    durable(log, _partition, records) {
      if (log !== "events") return;
      for (const bytes of records) {
        const record = decodeEvent(bytes);
        if (record.kind !== "action") continue;
        if (durable.has(record.eventId)) {
          context.fail(`the event ${record.eventId} is in the event log twice`);
        }
        durable.set(record.eventId, record.acceptedAtMs);
      }
    },
    replied({ path, method, status, body }) {
      if (method !== "POST" || path !== "/v1/events" || status === 0) return;
      const { events = [] } = body as { readonly events?: readonly EventAnswer[] };
      for (const { eventId = "", status: word, acceptedAtMs } of events) {
        if (word !== "accepted" && word !== "duplicate") continue;
        const written = durable.get(eventId);
        if (written === undefined) {
          context.fail(`the event ${eventId} was answered "${word}" and is not durable`);
        } else if (written !== acceptedAtMs) {
          context.fail(
            `the event ${eventId} was answered acceptedAtMs ${acceptedAtMs}; the log has ${written}`,
          );
        }
      }
    },
  };
}

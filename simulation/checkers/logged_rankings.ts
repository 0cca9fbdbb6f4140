/**
 * An event that was accepted as one to be learned from has its ranking in the event log.
 *
 *     ∀ answer "accepted" or "duplicate" without `unlogged` for event e on ranking r:
 *         at the end of the run the event log has r, or a fail-over has lost e
 *
 * So clients are told of each event on a ranking that is lost, or the ranking is logged again. The
 * promise is not made where events on unknown rankings are accepted.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { EventRecord } from "../../records/event_record.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

interface EventAnswer {
  readonly eventId?: string;
  readonly status: string;
  readonly unlogged?: boolean;
}

interface SentEvent {
  readonly eventId?: string;
  readonly rankingId?: string;
}

/** @param configuration That of the process that runs. */
export function loggedRankings(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(configuration: () => CairnConfiguration, context: CheckerContext): Checker {
  /** Rankings and events that the log has, in the order of each partition. */
  const logged = new Map<number, { readonly offset: number; readonly id: string }[]>();
  /** The ranking of each event that is to be learned from. */
  const learned = new Map<string, string>();
  return {
    name: "logged-rankings",
    durable(log, partition, records, firstOffset) {
      if (log !== "events") return;
      const ids = logged.get(partition) ?? [];
      logged.set(partition, ids);
      decodedEvents(records).forEach((record, i) => {
        const id = idOf(record);
        if (id !== undefined) ids.push({ offset: firstOffset + i, id });
      });
    },
    tailLost(log, partition, endOffset) {
      if (log !== "events") return;
      const ids = logged.get(partition) ?? [];
      logged.set(partition, ids.filter(({ offset }) => offset < endOffset));
    },
    replied({ path, method, requestBody, body }) {
      if (method !== "POST" || path !== "/v1/events" || body === undefined) return;
      if (configuration().gateway.unknownRankings === "accept") return;
      const sent = new Map(
        [requestBody as SentEvent | readonly SentEvent[]].flat()
          .map(({ eventId, rankingId }) => [eventId, rankingId]),
      );
      const { events = [] } = body as { readonly events?: readonly EventAnswer[] };
      for (const { eventId = "", status, unlogged } of events) {
        const rankingId = sent.get(eventId);
        const isTaken = status === "accepted" || status === "duplicate";
        if (rankingId === undefined || !isTaken) continue;
        if (unlogged) learned.delete(eventId);
        else learned.set(eventId, rankingId);
      }
    },
    atEnd() {
      const has = new Set([...logged.values()].flat().map(({ id }) => id));
      for (const [eventId, rankingId] of learned) {
        if (!has.has(`e ${eventId}`) || has.has(`r ${rankingId}`)) continue;
        context.fail(
          `the event ${eventId} was accepted without "unlogged", and the event log does not have ` +
            `its ranking ${rankingId}`,
        );
      }
    },
  };
}

function idOf(record: EventRecord): string | undefined {
  if (record.kind === "impression") return `r ${record.rankingId}`;
  return record.kind === "action" ? `e ${record.eventId}` : undefined;
}

/**
 * An event that was accepted as one to be learned from has its ranking in the event log, before it,
 * and the log has no ranking twice, and none that was made of an event without the event.
 *
 *     ∀ event e on ranking r with an answer "accepted" or "duplicate", and none with `unlogged`:
 *         at the end of the run the event log has r, or a fail-over has lost e
 *     ∀ answer "accepted" for such an event: r was appended before the record of e that the answer
 *         names by its acceptedAtMs
 *     ∀ two records of rankings of one id: a fail-over has lost one of the id's records
 *     ∀ record of a ranking that is made of an event: the next record is the event's
 *
 * So clients are told of each event on a ranking that is lost, or the ranking is logged again, and
 * no number of events is too large for the joiner to hold until then. A client that was told once
 * need not be told again: the only gateway that knew of the ranking may have died. An event whose
 * id was forgotten may have earlier records, whose answers are lost. The promise is not made where
 * events on unknown rankings are accepted. A gateway that appends a lost ranking again does not
 * know whether its client, which had no answer, has sent the id to another one since.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { isServed } from "../../gateway/memory/user_rankings.ts";
import type { EventRecord } from "../../records/event_record.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

interface EventAnswer {
  readonly eventId?: string;
  readonly status: string;
  readonly acceptedAtMs?: number;
  readonly unlogged?: boolean;
}

/** A ranking or an event of the log. */
interface Logged {
  readonly offset: number;
  readonly id: string;
  readonly acceptedAtMs: number;
  /** Number of its append among all partitions. */
  readonly index: number;
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
  const logged = new Map<number, Logged[]>();
  let records = 0;
  /** By partition, the ranking that its newest record makes of an event. */
  const made = new Map<number, string>();
  /** The ranking of each event that was answered as one to be learned from. */
  const learned = new Map<string, string>();
  /** Events of which a client was told that they are not. */
  const told = new Set<string>();
  /** Ids and acceptance times of events that were accepted as such. */
  const accepted = new Set<string>();
  /** Ids of rankings and events that the log has, and of those that it has lost. */
  const present = new Set<string>();
  const lost = new Set<string>();
  /** @param next The record behind one of a ranking that is made of an event. */
  const requireEvent = (rankingId: string | undefined, next?: EventRecord) => {
    if (rankingId === undefined) return;
    if (next?.kind === "action" && next.rankingId === rankingId) return;
    context.fail(`the event log has ${rankingId} without the event that it is made of`);
  };
  return {
    name: "logged-rankings",
    durable(log, partition, appended, firstOffset) {
      if (log !== "events") return;
      const ids = logged.get(partition) ?? [];
      logged.set(partition, ids);
      decodedEvents(appended).forEach((record, i) => {
        requireEvent(made.get(partition), record);
        made.delete(partition);
        if (record.kind === "impression" && !isServed(record)) {
          made.set(partition, record.rankingId);
        }
        const id = idOf(record);
        if (id === undefined) return;
        const { acceptedAtMs } = record;
        ids.push({ offset: firstOffset + i, id, acceptedAtMs, index: records++ });
        if (record.kind === "impression" && present.has(id) && !lost.has(id)) {
          context.fail(`the event log has the ranking ${record.rankingId} twice`);
        }
        present.add(id);
      });
    },
    tailLost(log, partition, endOffset) {
      if (log !== "events") return;
      made.delete(partition);
      const ids = logged.get(partition) ?? [];
      logged.set(partition, ids.filter(({ offset }) => offset < endOffset));
      for (const { offset, id } of ids) if (offset >= endOffset) lost.add(id);
    },
    replied({ path, method, requestBody, body }) {
      if (method !== "POST" || path !== "/v1/events" || body === undefined) return;
      if (configuration().gateway.unknownRankings === "accept") return;
      const sent = new Map(
        [requestBody as SentEvent | readonly SentEvent[]].flat()
          .map(({ eventId, rankingId }) => [eventId, rankingId]),
      );
      const { events = [] } = body as { readonly events?: readonly EventAnswer[] };
      for (const { eventId = "", status, acceptedAtMs, unlogged } of events) {
        const rankingId = sent.get(eventId);
        const isTaken = status === "accepted" || status === "duplicate";
        if (rankingId === undefined || !isTaken) continue;
        if (unlogged) told.add(eventId);
        else learned.set(eventId, rankingId);
        if (status === "accepted" && !unlogged) accepted.add(`e ${eventId} ${acceptedAtMs}`);
      }
    },
    atEnd() {
      const all = [...logged.values()].flat().toSorted((a, b) => a.index - b.index);
      const byId = Map.groupBy(all, ({ id }) => id);
      for (const rankingId of made.values()) requireEvent(rankingId);
      for (const [eventId, rankingId] of learned) {
        if (told.has(eventId)) continue;
        const events = byId.get(`e ${eventId}`);
        if (events === undefined) continue;
        const [ranking] = byId.get(`r ${rankingId}`) ?? [];
        const event = events.find(({ id, acceptedAtMs }) => accepted.has(`${id} ${acceptedAtMs}`));
        const isBehind = event !== undefined && event.index < (ranking?.index ?? -1);
        if (ranking !== undefined && !isBehind) continue;
        context.fail(
          `the event ${eventId} was accepted without "unlogged", and the event log ` +
            `${isBehind ? "got its ranking later:" : "does not have its ranking"} ${rankingId}`,
        );
      }
    },
  };
}

function idOf(record: EventRecord): string | undefined {
  if (record.kind === "impression") return `r ${record.rankingId}`;
  return record.kind === "action" ? `e ${record.eventId}` : undefined;
}

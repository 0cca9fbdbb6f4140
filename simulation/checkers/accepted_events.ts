/**
 * No accepted event is lost, and an event id stands for one event as long as it is remembered.
 *
 *     ∀ answer "accepted" or "duplicate" for event e at t:
 *         e is durable in the event log at t, with the answer's acceptedAtMs
 *     ∀ two records of one event id, a before b:
 *         of the events before b, at least 7/8 of eventsRememberedMax are newer than a:
 *         accepted after a, or durable after a
 *
 * In a mesh, Redis retains the id of each event for a time:
 *
 *     ∀ two records of one event id, a before b:  durable(b) − durable(a) ≥ idsRetainedMs
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

/** The records of one event id. */
interface DurableEvent {
  readonly times: Set<number>;
  /** Index of the newest record among all events. */
  readonly index: number;
  /** When the newest record became durable, ms. */
  readonly atMs: number;
}

/**
 * @param configuration That of the process that runs.
 * @param idsRetainedMs Time for which Redis retains ids, ms; undefined: a server without Redis.
 */
export function acceptedEvents(
  configuration: () => CairnConfiguration,
  idsRetainedMs?: number,
): CheckerFactory {
  return (context) => create({ configuration, idsRetainedMs, context });
}

function create({ configuration, idsRetainedMs, context }: {
  readonly configuration: () => CairnConfiguration;
  readonly idsRetainedMs: number | undefined;
  readonly context: CheckerContext;
}): Checker {
  const durable = new Map<string, DurableEvent>();
  /** Acceptance time of each event, in the order in which they became durable. */
  const events: number[] = [];
  /** Event ids of a partition's records, by offset; undefined for other records. */
  const ids = new Map<number, (string | undefined)[]>();
  /** Events that a fail-over of Redis has lost: answers about them may still come. */
  const lost = new Set<string>();
  /** Why an event that comes now should be known as a duplicate; undefined where it need not. */
  const reasonAgainst = ({ index, atMs }: DurableEvent): string | undefined => {
    if (idsRetainedMs !== undefined) {
      const apartMs = context.nowMs() - atMs;
      return apartMs < idsRetainedMs
        ? `${apartMs} ms apart, and Redis retains ids for ${idsRetainedMs} ms`
        : undefined;
    }
    const remembered = configuration().gateway.eventsRememberedMax * REMEMBERED_SHARE;
    const newer = newerThan(events, index);
    return newer < Math.floor(remembered)
      ? `and ${newer} events are newer than its first record`
      : undefined;
  };
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
        const tooSoon = earlier && reasonAgainst(earlier);
        if (tooSoon !== undefined) {
          context.fail(`the event ${eventId} is in the event log twice, ${tooSoon}`);
        }
        const times = (earlier?.times ?? new Set<number>()).add(acceptedAtMs);
        durable.set(eventId, { times, index: events.length, atMs: context.nowMs() });
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

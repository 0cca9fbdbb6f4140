/**
 * An event that names its user goes to the newest ranking that showed its item to the user, of any
 * gateway.
 *
 *     ∀ answer "accepted" for event e that names user u, on ranking r of the log:
 *         r showed e's item to u, or was made of an event of u on the item
 *     ∀ such answer while nothing is wrong, ∀ ranking q that was answered to u before e was sent:
 *         time(e) − within < time(q) ≤ time(e)  and  q showed e's item
 *             ⟹  time(r) ≥ time(q)  and  r was not made of e
 *
 * The times are those of the log. Clients send an event after the answers that they have seen, and
 * ask for no ranking meanwhile. Rankings and events whose answer has `unlogged` are left out.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { MADE } from "../../gateway/memory/user_rankings.ts";
import { readRows } from "../../records/event_record.ts";
import type { Reply } from "../world/client.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";
import { lengthMs, RECOVERY_MS } from "./stated_answers.ts";

interface Ranking {
  readonly user: string;
  readonly atMs: number;
  readonly items: ReadonlySet<string>;
}

/** An event of the log. */
interface Action {
  readonly rankingId: string;
  readonly atMs: number;
}

interface RankingAnswer {
  readonly rankingId: string;
  readonly unlogged?: boolean;
}

interface EventAnswer {
  readonly eventId: string;
  readonly status: string;
  readonly unlogged?: boolean;
}

interface SentEvent {
  readonly eventId: string;
  readonly user?: string;
  readonly item: string;
}

const rankingPaths = ["/v1/rank", "/v1/recommend", "/v1/similar"];
/** Time in which the hosts find each other, ms. */
const START_MS = 4_000;

/** @param configuration That of the processes that run. */
export function attributedEvents(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(configuration: () => CairnConfiguration, context: CheckerContext): Checker {
  const rankings = new Map<string, Ranking>();
  const actions = new Map<string, Action>();
  /** Ids of the rankings that were answered, by user. */
  const answered = new Map<string, Set<string>>();
  let wellFromMs = START_MS;

  function checkEvent({ eventId, user, item }: SentEvent & { readonly user: string }): void {
    const action = actions.get(eventId);
    if (action === undefined) return;
    const chosen = rankings.get(action.rankingId);
    if (chosen !== undefined && (chosen.user !== user || !chosen.items.has(item))) {
      context.fail(
        `the event ${eventId} of ${user} on ${item} went to ${action.rankingId} of ${chosen.user}`,
      );
    }
    const { withinMs, match } = configuration().gateway.eventsWithoutRanking;
    if (match === "none" || context.nowMs() < wellFromMs) return;
    const isMade = action.rankingId.startsWith(MADE) && chosen?.atMs === action.atMs;
    const chosenMs = isMade ? -1 : chosen?.atMs ?? -1;
    for (const id of answered.get(user) ?? []) {
      const ranking = rankings.get(id);
      if (ranking === undefined || !ranking.items.has(item)) continue;
      const afterMs = action.atMs - ranking.atMs;
      if (afterMs < 0 || afterMs >= withinMs || ranking.atMs <= chosenMs) continue;
      context.fail(
        `the event ${eventId} of ${user} on ${item} went to ${action.rankingId}, although ${id} ` +
          `showed the item ${afterMs} ms before it`,
      );
    }
  }

  return {
    name: "attributed-events",
    fault(fault) {
      wellFromMs = Math.max(wellFromMs, context.nowMs() + lengthMs(fault) + RECOVERY_MS);
    },
    actorGone() {
      wellFromMs = Math.max(wellFromMs, context.nowMs() + RECOVERY_MS);
    },
    durable(log, _partition, records) {
      if (log !== "events") return;
      for (const record of decodedEvents(records)) {
        if (record.kind === "action") actions.set(record.eventId, record);
        if (record.kind !== "impression") continue;
        const { rankingId, user, atMs } = record;
        rankings.set(rankingId, { user, atMs, items: new Set(readRows(record).items()) });
      }
    },
    replied({ method, path, status, requestBody, body }: Reply) {
      if (method !== "POST" || body === undefined) return;
      if (status === 200 && rankingPaths.includes(path)) {
        const { user } = requestBody as { readonly user: string };
        const { rankingId, unlogged } = body as RankingAnswer;
        if (unlogged) return;
        const ids = answered.get(user) ?? new Set();
        answered.set(user, ids.add(rankingId));
      }
      if (path !== "/v1/events") return;
      const sent = new Map(
        [requestBody as SentEvent | readonly SentEvent[]].flat()
          .map((event) => [event.eventId, event]),
      );
      const { events = [] } = body as { readonly events?: readonly EventAnswer[] };
      for (const { eventId, status, unlogged } of events) {
        const { user, item = "" } = sent.get(eventId) ?? {};
        if (status === "accepted" && !unlogged && user !== undefined) {
          checkEvent({ eventId, user, item });
        }
      }
    },
  };
}

/**
 * An event or a report on a ranking is not refused for good while the gateway that answered the
 * ranking runs, also where that gateway alone knows it.
 *
 *     ∀ answer "unknown-ranking" on ranking r of user u:
 *         r was not answered as one to learn from, a process has died since, the event log has an
 *         erasure of u, or gateways could not reach each other
 *
 * Judged are requests of one event, which is all that visitors send, and of a report.
 */
import type { Fault } from "../plan/fault.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";
import { lengthMs } from "./stated_answers.ts";

const rankingPaths: readonly string[] = ["/v1/rank", "/v1/recommend", "/v1/similar"];
/** Faults that leave the links between hosts as they are. */
const linkedFaults: ReadonlySet<Fault["kind"]> = new Set([
  "cutRedis",
  "stopRedis",
  "slowRedis",
  "failOverRedis",
  "stepHostClock",
  "drainHost",
  "commandMesh",
  "reshardMesh",
]);
/** Time after a fault, or the begin of a process, until its links are as without it, ms. */
const LINKED_MS = 5_000;

interface SentRanking {
  readonly user: string;
  readonly learn?: boolean;
}

export const knownRankings: CheckerFactory = (context) => {
  /** The user of each ranking whose gateway runs. */
  const users = new Map<string, string>();
  const erased = new Set<string>();
  let linkedFromMs = LINKED_MS;
  const unlink = (forMs: number) => {
    linkedFromMs = Math.max(linkedFromMs, context.nowMs() + forMs + LINKED_MS);
  };
  return {
    name: "known-rankings",
    processBegan: () => unlink(0),
    processDied() {
      users.clear();
    },
    fault(fault) {
      if (!linkedFaults.has(fault.kind)) unlink(lengthMs(fault));
    },
    durable(log, _partition, records) {
      if (log !== "events") return;
      for (const record of decodedEvents(records)) {
        if (record.kind === "forget") erased.add(record.user);
      }
    },
    replied({ path, status, requestBody, body }) {
      if (status === 200 && rankingPaths.includes(path)) {
        const { user, learn } = requestBody as SentRanking;
        if (learn !== false) users.set((body as { readonly rankingId: string }).rankingId, user);
      }
      if (status !== 422 || context.nowMs() < linkedFromMs) return;
      if ((body as { readonly type?: string }).type !== "/problems/unknown-ranking") return;
      const { rankingId } = requestBody as { readonly rankingId: string };
      const user = users.get(rankingId);
      if (user === undefined || erased.has(user)) return;
      context.fail(`the ranking ${rankingId} was called unknown, and its gateway runs`);
    },
  };
};

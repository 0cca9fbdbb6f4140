/**
 * A ranking is not logged after its host has noticed that its client hung up: no user saw it.
 *
 *     ∀ impression of a ranking whose client's end was noticed at t:  acceptedAtMs ≤ t
 *
 * Both times are of the wall clock of one host. A clock that steps ends the promise.
 */
import type { CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

const rankingPaths = ["/v1/rank", "/v1/recommend", "/v1/similar"];

/** See the header. */
export const cancelledRankings: CheckerFactory = (context) => {
  /** By the client's own id of the ranking, wall time, ms. */
  const noticedMs = new Map<string, number>();
  let gaveUp = false;
  return {
    name: "cancelled-rankings",
    fault({ kind }) {
      gaveUp ||= kind === "stepClock" || kind === "stepHostClock";
    },
    hungUp({ path, requestBody }, wallMs) {
      if (!rankingPaths.includes(path)) return;
      const { rankingId } = requestBody as { readonly rankingId?: string };
      if (rankingId !== undefined) noticedMs.set(rankingId, wallMs);
    },
    durable(log, _partition, records) {
      if (gaveUp || log !== "events") return;
      for (const record of decodedEvents(records)) {
        if (record.kind !== "impression") continue;
        const lateMs = record.acceptedAtMs - (noticedMs.get(record.rankingId) ?? Infinity);
        if (lateMs <= 0) continue;
        context.fail(`${record.rankingId} was logged ${lateMs} ms after its client had hung up`);
      }
    },
  };
};

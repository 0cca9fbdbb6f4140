/**
 * An erasure counts as served when no serving host has replicas of a former sharding any more, to
 * which no feed carries removals.
 *
 *     ∀ receipts that count as served since t, ∀ serving hosts when the receipt is stored:
 *         it has no replica of a sharding before the one that its feed had at t for 5 s
 *
 * t is the time of the receipt: the gateway looked at the hosts then, by its wall clock, and may
 * store the receipt much later. A clock that steps does not tell t, so the receipts of its host are
 * left out. A fail-over of Redis ends the promise: it may go back to an earlier sharding.
 */
import type { RowFeedOptions } from "../../actors/row_feed/options.ts";
import type { ErasureRequest } from "../../records/erasure.ts";
import { shardingAt } from "../../server/addresses.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Serving } from "./serving.ts";

const RECEIPT = /^erasures\/[^/]+\/request\.json$/;
const FEED = "row_feed/";
/** A gateway may look at what hosts have reported just before they follow a change, ms. */
const REPORTED_MS = 5_000;

/**
 * @param running The serving processes.
 * @param wallMsOf The time of a host's wall clock, ms.
 */
export function formerReplicas(
  running: () => readonly Serving[],
  wallMsOf: (host: string) => number,
): CheckerFactory {
  return (context) => {
    /** By host, the sharding of its feed, and when it began, ms. */
    const feeds = new Map<string, { readonly sharding: number; readonly sinceMs: number }>();
    const served = new Set<string>();
    /** Hosts whose clocks step, at the latest when the world heals. */
    const stepping = new Set<string>();
    let hasEnded = false;
    return {
      name: "former-replicas",
      began(actor, host, options) {
        if (!actor.startsWith(FEED) || host === undefined) return;
        const { sharding } = options as RowFeedOptions;
        const sinceMs = context.nowMs();
        const before = feeds.get(host);
        feeds.set(host, before?.sharding === sharding ? before : { sharding, sinceMs });
      },
      redisLost() {
        hasEnded = true;
      },
      fault(fault) {
        if (fault.kind === "stepHostClock") stepping.add(fault.host);
      },
      blobStored(name, bytes) {
        if (hasEnded || !RECEIPT.test(name) || served.has(name)) return;
        const request = JSON.parse(new TextDecoder().decode(bytes)) as ErasureRequest;
        const { erasureId, servedAtMs, host: by, continuedBy } = request;
        if (servedAtMs === undefined || by === undefined || continuedBy !== undefined) return;
        served.add(name);
        if (stepping.has(by)) return;
        const nowMs = context.nowMs();
        const lookedMs = nowMs - (wallMsOf(by) - servedAtMs);
        for (const { mesh: { mesh }, host = "" } of running()) {
          const { sharding, sinceMs } = feeds.get(host) ?? { sharding: 0, sinceMs: nowMs };
          if (lookedMs - sinceMs < REPORTED_MS) continue;
          const former = mesh.addressesOf("serving_replica")
            .find((address) => address.endsWith(`@${host}`) && shardingAt(address) < sharding);
          if (former === undefined) continue;
          context.fail(`the erasure ${erasureId} counts as served, and there is ${former}`);
        }
      },
    };
  };
}

/**
 * An erasure counts as served when no serving host has replicas of a former sharding any more, to
 * which no feed carries removals.
 *
 *     ∀ receipts that are stored as served at t, ∀ serving hosts:
 *         it has no replica of a sharding before the one that its feed had for 5 s
 *
 * A gateway looks at the hosts a moment before it stores the receipt. One that has stood still may
 * store it much later, so its receipts are left out for as long. A fail-over of Redis ends the
 * promise: it may go back to an earlier sharding.
 */
import type { RowFeedOptions } from "../../actors/row_feed/options.ts";
import type { ErasureRequest } from "../../records/erasure.ts";
import { shardingAt } from "../../server/addresses.ts";
import type { CheckerFactory } from "./checker.ts";
import type { Serving } from "./serving.ts";

const RECEIPT = /^erasures\/[^/]+\/request\.json$/;
const FEED = "row_feed/";
/** Longest time from the look at the hosts to the receipt, ms. */
const LOOKED_MS = 5_000;

/** @param running The serving processes. */
export function formerReplicas(running: () => readonly Serving[]): CheckerFactory {
  return (context) => {
    /** By host, the sharding of its feed, and when it began, ms. */
    const feeds = new Map<string, { readonly sharding: number; readonly sinceMs: number }>();
    const served = new Set<string>();
    /** By host, until when it may store what it knew before it stood still, ms. */
    const still = new Map<string, number>();
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
        if (fault.kind !== "pauseHost") return;
        still.set(fault.host, context.nowMs() + fault.forMs + LOOKED_MS);
      },
      blobStored(name, bytes) {
        if (hasEnded || !RECEIPT.test(name) || served.has(name)) return;
        const request = JSON.parse(new TextDecoder().decode(bytes)) as ErasureRequest;
        const { erasureId, servedAtMs, host: by } = request;
        if (servedAtMs === undefined || request.continuedBy !== undefined) return;
        served.add(name);
        const nowMs = context.nowMs();
        if (nowMs < (still.get(by ?? "") ?? 0)) return;
        for (const { mesh: { mesh }, host = "" } of running()) {
          const { sharding, sinceMs } = feeds.get(host) ?? { sharding: 0, sinceMs: nowMs };
          if (nowMs - sinceMs < LOOKED_MS) continue;
          const former = mesh.addressesOf("serving_replica")
            .find((address) => address.endsWith(`@${host}`) && shardingAt(address) < sharding);
          if (former === undefined) continue;
          context.fail(`the erasure ${erasureId} counts as served, and there is ${former}`);
        }
      },
    };
  };
}

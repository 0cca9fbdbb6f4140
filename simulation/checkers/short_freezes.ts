/**
 * A freeze ends by itself: its owner needs the store, and no controller.
 *
 *     ∀ freeze of shard s on host h at t:
 *         it ends before max(t, e) + FROZEN_MS_MAX + bound
 *     e = end of the last fault that kept h, its actors or the store from working
 *     bound = ROUND_TRIPS · link + SYNCS · sync + LOOK_MS
 *
 * It ends when the shard goes on, when the store names another owner or another epoch, or when the
 * process dies. An interrupt strikes at a message, so nothing is measured after one.
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { FROZEN_MS_MAX } from "../../mesh/placement/host_duties.ts";
import { shardAt } from "../../server/addresses.ts";
import type { Fault } from "../plan/fault.ts";
import { unconfirmedMsOf } from "../plan/mesh_fault.ts";
import type { CheckerFactory } from "./checker.ts";
import type { RunLatencies } from "./prompt_freshness.ts";

const SHARD = "embedding_shard/";
/** Messages there and back: looks at the shard, a read of the store, the abort. */
const ROUND_TRIPS = 20;
const SYNCS = 5;
/** Time between two looks of an owner, with those that the store delays, ms. */
const LOOK_MS = 500;
/** Time after a fault until a host works as before, ms. */
const RECOVERY_MS = 4_000;

interface Freeze {
  readonly host: string;
  readonly shard: number;
  readonly atMs: number;
}

export function shortFreezes({ linkMs, syncMs }: RunLatencies): CheckerFactory {
  const boundMs = FROZEN_MS_MAX + ROUND_TRIPS * linkMs + SYNCS * syncMs + LOOK_MS;
  return (context) => {
    const freezes = new Map<string, Freeze>();
    /** Until when a host may be delayed; of all hosts by the key "". */
    const delayedUntilMs = new Map<string, number>();
    const delay = (host: string, forMs: number) => {
      const untilMs = context.nowMs() + forMs + RECOVERY_MS;
      delayedUntilMs.set(host, Math.max(untilMs, delayedUntilMs.get(host) ?? 0));
    };
    const look = () => {
      const nowMs = context.nowMs();
      for (const { host, shard, atMs } of freezes.values()) {
        const sinceMs = Math.max(
          atMs,
          delayedUntilMs.get(host) ?? 0,
          delayedUntilMs.get("") ?? 0,
        );
        if (nowMs - sinceMs <= boundMs) continue;
        context.fail(
          `shard ${shard} has been frozen on ${host} for ${(nowMs - atMs).toFixed(0)} ms`,
        );
      }
    };
    return {
      name: "short-freezes",
      processDied(host) {
        for (const [key, freeze] of freezes) if (freeze.host === host) freezes.delete(key);
      },
      placed(key, before, after) {
        if (!key.startsWith("shard/")) return;
        const goesOn = after.state === "moving" || after.state === "active";
        if (goesOn && after.epoch === before?.epoch) return;
        const shard = Number(key.slice("shard/".length));
        for (const [at, freeze] of freezes) if (freeze.shard === shard) freezes.delete(at);
      },
      handles(actor, message, host) {
        if (freezes.size > 0) look();
        if (!actor.startsWith(SHARD)) return;
        const { kind } = message as EmbeddingShardMessage;
        if (kind === "beginCopy" || kind === "abandonCopy") freezes.delete(`${host} ${actor}`);
      },
      answers(actor, request, _value, host = "") {
        if (request.kind !== "finishCopy" || !actor.startsWith(SHARD)) return;
        const key = `${host} ${actor}`;
        if (freezes.has(key)) return;
        freezes.set(key, { host, shard: shardAt(actor), atMs: context.nowMs() });
      },
      fault: (fault) => delayBy(fault, delay),
      atEnd: look,
    };
  };
}

/** Notes which host a fault delays, and for how long, ms; "" = all hosts. */
function delayBy(fault: Fault, delay: (host: string, forMs: number) => void): void {
  switch (fault.kind) {
    case "pauseHost":
      return delay(fault.host, fault.forMs);
    case "cutRedis":
      return delay(fault.host ?? "", fault.forMs);
    case "restartHost":
      return delay(fault.host, fault.downMs);
    case "stallNode":
      return delay(fault.node.split(":")[0], fault.forMs);
    case "crashActor":
      return delay("", 0);
    case "stopRedis":
    case "slowRedis":
      return delay("", fault.forMs);
    case "failOverRedis":
      return delay("", unconfirmedMsOf(fault));
    case "interrupt":
      return delay("", Infinity);
  }
}

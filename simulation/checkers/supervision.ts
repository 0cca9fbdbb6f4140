/**
 * No actor uses up its restarts, unless faults crash it more often than its supervisor allows.
 *
 *     ∀ escalation of actor a:  faults crashed a, or an actor that a restarts with, or flipped bits
 *                               of reads, within the last minute more often than CRASHES_MAX; or a
 *                               is the process, and the disk fails its writes or syncs while it
 *                               starts; or a fail-over of Redis has lost records, and the process
 *                               waits for its restart; or a host has had an older copy of the blobs
 *                               within the last minute, and a learns or has rows
 *
 * In a mesh, a shard that another host restores counts as one that a fault has crashed.
 */
import { shardAt } from "../../server/addresses.ts";
import type { Checker, CheckerContext } from "./checker.ts";

const SHARD = "embedding_shard/";
/** At most any actor's `restartsMax`. */
const CRASHES_MAX = 3;
const PERIOD_MS = 60_000;

export function supervision(context: CheckerContext): Checker {
  let diskFailsUntilMs = 0;
  /** Until a minute after the last older copy of the blobs. */
  let copyUntilMs = 0;
  /** Without an actor: any may be crashed by it. */
  const crashes: { readonly actor?: string; readonly atMs: number }[] = [];
  return {
    name: "supervision",
    fault(fault) {
      if (fault.kind === "failWrites" || fault.kind === "failSyncs") {
        diskFailsUntilMs = Math.max(diskFailsUntilMs, context.nowMs() + fault.forMs);
      }
      if (fault.kind === "unmountBlobs" && fault.copyAgeMs !== undefined) {
        copyUntilMs = context.nowMs() + fault.copyAgeMs + fault.forMs + PERIOD_MS;
      }
      if (fault.kind === "flipRead") crashes.push({ atMs: context.nowMs() });
      if (
        fault.kind === "crashActor" || fault.kind === "interrupt" && fault.effect === "crash"
      ) {
        crashes.push({ actor: fault.actor, atMs: context.nowMs() });
      }
    },
    placed(key, _before, { state }) {
      if (!key.startsWith("shard/") || state !== "restoring") return;
      crashes.push({
        actor: `embedding_shard/${key.slice("shard/".length)}`,
        atMs: context.nowMs(),
      });
    },
    actorGone(actor, reason) {
      const diskFails = context.nowMs() < diskFailsUntilMs;
      if (reason.startsWith("LogTailLostError")) return;
      const begins = actor.startsWith(SHARD) || actor.startsWith("trainer/");
      if (begins && context.nowMs() < copyUntilMs) return;
      if (actor.startsWith("node/") && diskFails && reason.includes("input/output error")) return;
      const recent = crashes.filter((crash) =>
        restartsWith(actor, crash.actor) && crash.atMs > context.nowMs() - PERIOD_MS
      );
      if (recent.length <= CRASHES_MAX) context.fail(`${actor} is gone: ${reason}`);
    },
  };
}

/** Whether the actor restarts when the other one does: a trainer, where a shard lost its rows. */
function restartsWith(actor: string, crashed = actor): boolean {
  if (!crashed.startsWith(SHARD)) return actor === crashed;
  return actor.startsWith("trainer/") ||
    actor.startsWith(SHARD) && shardAt(actor) === shardAt(crashed);
}

/**
 * Invariant 1 of a mesh: one process at most acts as the owner of a shard in each of its epochs.
 *
 *     ∀ shard s, epoch e:  gradients are applied under (s, e) by one process at most
 *     ∀ such process:      its host is the owner that the store named for (s, e)
 *
 * A process that was cut off or paused may act under an old epoch for a while: its work is void, as
 * the trainers do not hear of it. It must never act under an epoch of another owner.
 *
 * A fail-over of Redis may lose epochs that were minted, even the whole mesh, which mints them
 * again. The promise then holds for the processes that begin afterwards; the operator stops others.
 */
import type { Checker, CheckerContext } from "./checker.ts";
import { isApplied, ShardEpochs } from "./shard_epochs.ts";

export function oneOwnerPerEpoch(context: CheckerContext): Checker {
  const epochs = new ShardEpochs();
  /** The process that has acted, by shard and epoch. */
  const acted = new Map<string, string>();
  /** Hosts whose process has begun since records were lost. */
  const begunSince = new Set<string | undefined>();
  let isLost = false;
  return {
    name: "one-owner-per-epoch",
    processBegan(host) {
      epochs.processBegan(host);
      begunSince.add(host);
    },
    redisLost() {
      isLost = true;
      acted.clear();
      begunSince.clear();
    },
    began: (actor, host, options) => epochs.began(actor, host, options),
    placed: (key, _before, after) => epochs.placed(key, after),
    answers(actor, request, value, host) {
      if (host === undefined || !isApplied(actor, request, value)) return;
      if (isLost && !begunSince.has(host)) return;
      const epoch = epochs.of(actor, host);
      if (epoch === undefined) return;
      const by = epochs.processOf(host);
      const key = `${actor} in epoch ${epoch}`;
      const before = acted.get(key) ?? by;
      acted.set(key, by);
      if (before !== by) {
        context.fail(`${key} applied gradients on ${before} and on ${by}`);
      }
      const owner = epochs.ownerOf(actor, epoch);
      if (owner !== host) {
        context.fail(`${key} applied gradients on ${host}, and its owner is ${owner ?? "unknown"}`);
      }
    },
  };
}

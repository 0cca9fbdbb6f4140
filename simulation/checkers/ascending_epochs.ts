/**
 * Invariant 3 of a mesh: neither the store nor a serving replica goes back an epoch.
 *
 *     ∀ change of a placement of s:     epoch(s) does not fall, and rises with each new owner
 *     ∀ replica, ∀ rows that it takes:  the epoch of their owner does not fall
 *
 * A fail-over of Redis to an earlier state ends the first part until the operator has accepted the
 * loss, which raises every epoch.
 */
import type {
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import { RECOVERY_STEP } from "../../mesh/ports/coordination.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { ownerRunOf, ShardEpochs } from "./shard_epochs.ts";

export function ascendingEpochs(context: CheckerContext): Checker {
  const epochs = new ShardEpochs();
  /** Epoch of the owner that began a lineage. */
  const lineages = new Map<string, number>();
  const served = new Map<string, number>();
  let isLost = false;
  const take = (replica: string, lineage: string) => {
    const epoch = lineages.get(lineage);
    if (epoch === undefined) return;
    const before = served.get(replica) ?? 0;
    served.set(replica, epoch);
    if (epoch < before) {
      context.fail(`${replica} took rows of epoch ${epoch} after rows of epoch ${before}`);
    }
  };
  return {
    name: "ascending-epochs",
    processBegan: (host) => epochs.processBegan(host),
    redisLost() {
      isLost = true;
    },
    placed(key, before, after) {
      if (before === undefined) return;
      const [earlier, later] = [ownerRunOf(before), ownerRunOf(after)];
      if (after.epoch >= before.epoch + RECOVERY_STEP) isLost = false;
      if (isLost) return;
      if (after.epoch < before.epoch) {
        context.fail(`${key} went back from epoch ${before.epoch} to ${after.epoch}`);
      }
      const isNew = later !== undefined && later.incarnation !== earlier?.incarnation;
      if (isNew && after.epoch === before.epoch) {
        context.fail(`${key} went to ${later.host} in the same epoch ${after.epoch}`);
      }
    },
    began(actor, host, options) {
      epochs.began(actor, host, options);
      if (actor.startsWith("serving_replica/")) served.delete(actor);
    },
    answers(actor, request, value, host) {
      if (actor.startsWith("embedding_shard/")) {
        const { kind } = request as EmbeddingShardMessage;
        if (kind !== "takeDeltas" && kind !== "exportRows") return;
        const { position } = value as { readonly position: DeltaPosition };
        const epoch = epochs.of(actor, host ?? "");
        if (epoch !== undefined) lineages.set(position.lineage, epoch);
        return;
      }
      if (!actor.startsWith("serving_replica/")) return;
      const message = request as ServingReplicaMessage;
      if (message.kind === "applyDelta") {
        const { status } = value as { readonly status: string };
        if (status === "applied") take(actor, message.delta.lineage);
      } else if (message.kind === "loadRows" && message.position !== undefined) {
        take(actor, message.position.lineage);
      }
    },
  };
}

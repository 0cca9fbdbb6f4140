/**
 * Invariant 5 of a mesh: an aborted move is no move.
 *
 *     ∀ shard actor that begins on host h under epoch e:  the store has named h the owner for e
 *     ∀ move of s that is given up:                       the owner goes on in the same incarnation
 */
import type {
  EmbeddingShardMessage,
  SourceOpening,
} from "../../actors/embedding_shard/protocol.ts";
import { shardAt } from "../../server/addresses.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { isApplied, ownerRunOf, ShardEpochs } from "./shard_epochs.ts";

const SHARD = "embedding_shard/";

export function abortedMoves(context: CheckerContext): Checker {
  const epochs = new ShardEpochs();
  /** Incarnation of the shard's state, by host and shard, since the actor began. */
  const incarnations = new Map<string, string>();
  /** Incarnation that the owner had when its move was given up, by host and shard. */
  const goesOn = new Map<string, string>();
  return {
    name: "aborted-moves",
    processBegan: (host) => epochs.processBegan(host),
    placed(key, before, after) {
      epochs.placed(key, after);
      if (before?.state !== "moving" || after.state !== "active") return;
      const owner = ownerRunOf(before);
      if (owner === undefined || owner.incarnation !== after.owner.incarnation) return;
      const at = `${owner.host} ${key.slice("shard/".length)}`;
      const incarnation = incarnations.get(at);
      if (incarnation !== undefined) goesOn.set(at, incarnation);
    },
    began(actor, host, options) {
      if (!actor.startsWith(SHARD)) return;
      incarnations.delete(`${host} ${shardAt(actor)}`);
      goesOn.delete(`${host} ${shardAt(actor)}`);
      epochs.began(actor, host, options);
      const epoch = epochs.of(actor, host ?? "");
      const owner = epoch === undefined ? host : epochs.ownerOf(actor, epoch);
      if (owner === host) return;
      context.fail(`${actor} began on ${host} in epoch ${epoch}, which ${owner ?? "no host"} owns`);
    },
    answers(actor, request, value, host) {
      if (!actor.startsWith(SHARD)) return;
      const at = `${host} ${shardAt(actor)}`;
      const message = request as EmbeddingShardMessage;
      if (message.kind === "openSource") {
        incarnations.set(at, (value as SourceOpening).incarnation);
      }
      if (message.kind !== "applyGradients" || !isApplied(actor, request, value)) return;
      const { incarnation } = message.opening;
      incarnations.set(at, incarnation);
      const expected = goesOn.get(at) ?? incarnation;
      if (expected !== incarnation) {
        context.fail(
          `${actor} on ${host} went on in another incarnation after a move was given up`,
        );
      }
    },
  };
}

/**
 * Invariant 2 of a mesh: a live move keeps everything that was acknowledged.
 *
 *     ∀ handover of shard s, ∀ source:  mark(handover) ≥ newest sequence that s has acknowledged
 *     after the handover:               s applies nothing more, unless the copy is given up
 *     ∀ host that s is handed over to:  it keeps the rows, unless actors crash or Redis fails over
 */
import type { ShardHandover } from "../../actors/embedding_shard/copy_protocol.ts";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { RowsMissingError } from "../../mesh/ports/coordination_errors.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { isApplied } from "./shard_epochs.ts";

const SHARD = "embedding_shard/";

/** A shard's actor on one host. */
interface Owner {
  readonly acknowledged: Map<string, number>;
  isHandedOver: boolean;
}

export function wholeMoves(context: CheckerContext): Checker {
  const owners = new Map<string, Owner>();
  const of = (actor: string, host: string | undefined) => {
    const key = `${host} ${actor}`;
    let owner = owners.get(key);
    if (owner === undefined) {
      owners.set(key, owner = { acknowledged: new Map(), isHandedOver: false });
    }
    return owner;
  };
  let mayLose = false;
  return {
    name: "whole-moves",
    fault({ kind }) {
      mayLose ||= kind === "crashActor" || kind === "interrupt";
    },
    redisLost() {
      mayLose = true;
    },
    hostRemoved(host, error) {
      if (!mayLose && error instanceof RowsMissingError) context.fail(`${host}: ${error.message}`);
    },
    began(actor, host) {
      if (actor.startsWith(SHARD)) owners.delete(`${host} ${actor}`);
    },
    handles(actor, message, host) {
      if (!actor.startsWith(SHARD)) return;
      const { kind } = message as EmbeddingShardMessage;
      if (kind === "beginCopy" || kind === "abandonCopy") of(actor, host).isHandedOver = false;
    },
    answers(actor, request, value, host) {
      if (!actor.startsWith(SHARD)) return;
      const message = request as EmbeddingShardMessage;
      const owner = of(actor, host);
      if (message.kind === "applyGradients") {
        const { source, sequence } = message;
        const before = owner.acknowledged.get(source) ?? 0;
        owner.acknowledged.set(source, Math.max(before, sequence));
      }
      if (owner.isHandedOver && isApplied(actor, request, value)) {
        context.fail(`${actor} on ${host} applied gradients after it had handed itself over`);
      }
      if (message.kind !== "finishCopy") return;
      const { handover } = value as { readonly handover?: ShardHandover };
      if (handover === undefined) return;
      owner.isHandedOver = true;
      const marks = new Map(handover.marks);
      for (const [source, sequence] of owner.acknowledged) {
        const mark = marks.get(source) ?? 0;
        if (mark >= sequence) continue;
        context.fail(
          `${actor} on ${host} handed over row ${mark} of ${source}, and has acknowledged ${sequence}`,
        );
      }
    },
  };
}

/**
 * Deltas have no gaps and leave nothing out.
 *
 *     ∀ deltas d, d' of one lineage, d' the next that the shard gives:
 *         d'.sequence = d.sequence + 1, and d was acknowledged; or
 *         d' = d is given again, with the same ids and tombstones
 *     ∀ answer without a delta, in the lineage of the one before:
 *         every id that gradients have changed since was in a delta, as a row or a tombstone
 *
 * The second part holds where every id gets a row at once and rows do not expire.
 */
import type {
  ApplyGradients,
  Delta,
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../actors/embedding_shard/protocol.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";

const SHARD = "embedding_shard/";

/** One incarnation of a shard. */
interface Given {
  lineage: string | undefined;
  sequence: number;
  acknowledged: number;
  /** Keys of the newest delta. */
  keys: string;
  /** Ids that changed and were in no delta since. */
  readonly changed: Set<bigint>;
}

interface Answer {
  readonly delta?: Delta;
  readonly position: DeltaPosition;
}

/** @param configuration That of the process that runs. */
export function wholeDeltas(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(configuration: () => CairnConfiguration, context: CheckerContext): Checker {
  const shards = new Map<string, Given>();
  const of = (actor: string) => {
    let shard = shards.get(actor);
    if (shard === undefined) {
      shard = { lineage: undefined, sequence: 0, acknowledged: 0, keys: "", changed: new Set() };
      shards.set(actor, shard);
    }
    return shard;
  };
  return {
    name: "whole-deltas",
    processBegan: () => shards.clear(),
    began: (actor) => void shards.delete(actor),
    answers(actor, request, value) {
      if (!actor.startsWith(SHARD)) return;
      const message = request as EmbeddingShardMessage;
      const shard = of(actor);
      if (message.kind === "applyGradients") {
        if ((value as { readonly applied: boolean }).applied) noteChanged(shard, message);
        return;
      }
      if (message.kind !== "takeDelta") return;
      const { acknowledged } = message;
      if (acknowledged !== undefined && acknowledged.lineage === shard.lineage) {
        shard.acknowledged = Math.max(shard.acknowledged, acknowledged.sequence);
      }
      const problem = take(shard, value as Answer, rowsStay(configuration()));
      if (problem !== undefined) context.fail(`${actor} ${problem}`);
    },
  };
}

function noteChanged({ changed }: Given, { ids }: ApplyGradients): void {
  for (const id of ids) changed.add(id);
}

/** Notes an answer; returns what is wrong with it. */
function take(shard: Given, { delta, position }: Answer, rowsStay: boolean): string | undefined {
  const { lineage, sequence } = position;
  if (lineage !== shard.lineage) {
    // All rows are read anew.
    Object.assign(shard, { lineage, sequence: 0, acknowledged: 0, keys: "" });
    shard.changed.clear();
  }
  if (delta === undefined) {
    if (sequence !== shard.sequence) return `has no delta, and stands at ${sequence}`;
    const left = shard.changed.size;
    return rowsStay && left > 0 ? `has no delta, and ${left} changed ids were in none` : undefined;
  }
  const keys = keysOf(delta);
  for (const changes of delta.classes) {
    for (const id of changes?.ids ?? []) shard.changed.delete(id);
    for (const id of changes?.tombstones ?? []) shard.changed.delete(id);
  }
  if (sequence === shard.sequence) {
    if (shard.acknowledged >= sequence) return `gave delta ${sequence} after its acknowledgement`;
    return keys === shard.keys ? undefined : `gave delta ${sequence} again with other ids`;
  }
  if (sequence !== shard.sequence + 1) {
    return `gave delta ${sequence} after delta ${shard.sequence}`;
  }
  const before = shard.sequence;
  shard.sequence = sequence;
  shard.keys = keys;
  if (shard.acknowledged >= before) return undefined;
  return `gave delta ${sequence} before delta ${before} was acknowledged`;
}

function keysOf({ classes }: Delta): string {
  return classes.map((changes) => `${changes?.ids.join()}-${changes?.tombstones.join()}`).join(";");
}

function rowsStay({ embeddingShard: { tables } }: CairnConfiguration): boolean {
  return tables.classes.every(({ slots }) =>
    slots.every(({ expirySeconds, admission }) =>
      expirySeconds === undefined && admission.kind === "threshold" && admission.threshold === 0
    )
  );
}

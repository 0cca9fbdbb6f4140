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
 *
 * A lineage goes with the shard when it moves to another host: the new owner has the deltas that
 * the old one had given, and owes the changes that the old one owed at the handover.
 */
import type {
  ApplyGradients,
  Delta,
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../actors/embedding_shard/protocol.ts";
import type { ShardHandover } from "../../actors/embedding_shard/copy_protocol.ts";
import type { HandedDeltas } from "../../actors/embedding_shard/delta_stream.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";

const SHARD = "embedding_shard/";

/** One incarnation of a shard on one host. */
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
  readonly bringsAllRows?: boolean;
}

/** @param configuration That of the process that runs. */
export function wholeDeltas(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(configuration: () => CairnConfiguration, context: CheckerContext): Checker {
  /** By host and actor. */
  const shards = new Map<string, Given>();
  /** The newest handover of each actor. */
  const handovers = new Map<string, Given>();
  const of = (actor: string, host: string | undefined) => {
    const key = `${host} ${actor}`;
    let shard = shards.get(key);
    if (shard === undefined) {
      shard = { lineage: undefined, sequence: 0, acknowledged: 0, keys: "", changed: new Set() };
      shards.set(key, shard);
    }
    return shard;
  };
  return {
    name: "whole-deltas",
    processBegan(host) {
      for (const key of shards.keys()) if (key.startsWith(`${host} `)) shards.delete(key);
    },
    began: (actor, host) => void shards.delete(`${host} ${actor}`),
    answers(actor, request, value, host) {
      if (!actor.startsWith(SHARD)) return;
      const message = request as EmbeddingShardMessage;
      const shard = of(actor, host);
      if (message.kind === "finishCopy") {
        const { handover } = value as { readonly handover?: ShardHandover };
        if (handover?.deltas) handovers.set(actor, handed(shard, handover.deltas));
      }
      if (message.kind === "applyGradients") {
        if ((value as { readonly applied: boolean }).applied) noteChanged(shard, message);
        return;
      }
      if (message.kind !== "takeDelta") return;
      const answer = value as Answer;
      const from = handovers.get(actor);
      if (shard.lineage === undefined && from?.lineage === answer.position.lineage) {
        continueFrom(shard, from);
      }
      const { acknowledged } = message;
      if (acknowledged !== undefined && acknowledged.lineage === shard.lineage) {
        shard.acknowledged = Math.max(shard.acknowledged, acknowledged.sequence);
      }
      const problem = take(shard, answer, rowsStay(configuration()));
      if (problem !== undefined) context.fail(`${actor} ${problem}`);
    },
  };
}

/** The state of a shard at its handover. */
function handed(
  { changed }: Given,
  { lineage, given, acknowledged, waiting }: HandedDeltas,
): Given {
  const newest = waiting.find(({ sequence }) => sequence === given);
  return {
    lineage,
    sequence: given,
    acknowledged,
    keys: newest === undefined ? "" : keysOf(newest),
    changed: new Set(changed),
  };
}

/** The new owner goes on; it may have applied gradients already. */
function continueFrom(shard: Given, { changed, ...others }: Given): void {
  Object.assign(shard, others);
  for (const id of changed) shard.changed.add(id);
}

function noteChanged({ changed }: Given, { ids }: ApplyGradients): void {
  for (const id of ids) changed.add(id);
}

/** Notes an answer; returns its fault, if it has one. */
function take(
  shard: Given,
  { delta, position, bringsAllRows = false }: Answer,
  rowsStay: boolean,
): string | undefined {
  const { lineage, sequence } = position;
  if (lineage !== shard.lineage) {
    // All rows are read anew.
    Object.assign(shard, { lineage, sequence: 0, acknowledged: 0, keys: "" });
    shard.changed.clear();
  }
  if (delta === undefined) {
    if (sequence !== shard.sequence) return `has no delta, and stands at ${sequence}`;
    if (bringsAllRows) return undefined;
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

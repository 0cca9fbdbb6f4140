/**
 * Deltas have no gaps, are the same for every taker, and leave nothing out.
 *
 *     ∀ answer to a taker at position p:  it has missed deltas and has to read all rows; or
 *         the deltas are those of p's lineage that follow p, one after another
 *     ∀ delta d of a lineage:  every taker gets it with the same ids and tombstones
 *     ∀ answer that is complete, without deltas or with one that was made just now:
 *         every id that gradients have changed since the taker read all rows was in a delta that it
 *         was given, as a row or a tombstone
 *
 * A taker that has missed deltas reads all rows a moment later. It asks next at the position from
 * which it has read them, and has the rows of all deltas up to there.
 *
 * The last part holds where every id gets a row at once and rows do not expire. A delta is made
 * when it is given for the first time, or for a handover.
 *
 * A lineage goes with the shard when it moves to another host: the new owner owes each taker what
 * the old one owed at the handover.
 */
import type {
  ApplyGradients,
  Delta,
  DeltaPosition,
  EmbeddingShardMessage,
  ExportRows,
  TakeDeltas,
} from "../../actors/embedding_shard/protocol.ts";
import type { ShardHandover } from "../../actors/embedding_shard/copy_protocol.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { ReplyOf } from "../../mesh/runtime/actor.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";

const SHARD = "embedding_shard/";

/** One incarnation of a shard on one host. */
interface Given {
  lineage: string | undefined;
  /** Sequence of the newest delta that was seen. */
  sequence: number;
  /** By taker, ids that changed and were in no delta that it was given, and the sequence then. */
  readonly owed: Map<string, Map<bigint, number>>;
  /** Takers that have missed deltas, and have not asked since. */
  readonly reading: Set<string>;
}

type Answer = ReplyOf<TakeDeltas>;

/** @param configuration That of the process that runs. */
export function wholeDeltas(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => create(configuration, context);
}

function create(configuration: () => CairnConfiguration, context: CheckerContext): Checker {
  /** By host and actor. */
  const shards = new Map<string, Given>();
  /** The newest handover of each actor. */
  const handovers = new Map<string, Given>();
  /** Ids and tombstones by lineage and sequence. */
  const keysAt = new Map<string, string>();
  const of = (actor: string, host: string | undefined) => {
    const key = `${host} ${actor}`;
    let shard = shards.get(key);
    if (shard === undefined) shards.set(key, shard = newGiven(undefined));
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
        if (handover?.deltas === undefined) return;
        const before = newGiven(handover.deltas.lineage);
        continueFrom(before, shard);
        handovers.set(actor, before);
        for (const { delta } of handover.deltas.held) keysAt.set(keyOf(delta), keysOf(delta));
      }
      if (message.kind === "exportRows") {
        const { position } = value as ReplyOf<ExportRows>;
        shard.sequence = Math.max(shard.sequence, position.sequence);
      }
      if (message.kind === "applyGradients") {
        if ((value as { readonly applied: boolean }).applied) noteChanged(shard, message);
        return;
      }
      if (message.kind !== "takeDeltas") return;
      const answer = value as Answer;
      const from = handovers.get(actor);
      const { lineage } = answer.position;
      if (shard.lineage === undefined && from?.lineage === lineage) continueFrom(shard, from);
      shard.lineage = lineage;
      const newest = answer.deltas.at(-1);
      const isNow = newest === undefined || !keysAt.has(keyOf(newest));
      const problem = faultOf(message, answer) ?? otherKeys(answer.deltas, keysAt) ??
        leftOut(shard, message, answer, isNow && rowsStay(configuration()));
      if (problem !== undefined) context.fail(`${actor} ${problem} to ${message.taker}`);
    },
  };
}

function newGiven(lineage: string | undefined): Given {
  return { lineage, sequence: 0, owed: new Map(), reading: new Set() };
}

/** The new owner goes on; it may have applied gradients already. */
function continueFrom(shard: Given, { sequence, owed, reading }: Given): void {
  shard.sequence = Math.max(shard.sequence, sequence);
  for (const [taker, before] of owed) {
    shard.owed.set(taker, new Map([...before, ...shard.owed.get(taker) ?? []]));
  }
  for (const taker of reading) shard.reading.add(taker);
}

function noteChanged({ owed, sequence }: Given, { ids }: ApplyGradients): void {
  for (const changed of owed.values()) for (const id of ids) changed.set(id, sequence);
}

/** The fault in the order of the deltas, if there is one. */
function faultOf({ position }: TakeDeltas, answer: Answer): string | undefined {
  const { deltas, missed = false } = answer;
  if (missed) return deltas.length === 0 ? undefined : "gave deltas and says that some are missed";
  let at = position?.sequence ?? NaN;
  for (const { lineage, sequence } of deltas) {
    if (lineage === position?.lineage && sequence === ++at) continue;
    return `gave delta ${sequence} of ${lineage} behind ${position?.sequence} of ` +
      `${position?.lineage}`;
  }
  const isThere = answer.position.lineage === position?.lineage &&
    answer.position.sequence === at;
  return isThere ? undefined : `gave deltas up to ${at}, and says ${answer.position.sequence}`;
}

function otherKeys(deltas: readonly Delta[], keysAt: Map<string, string>): string | undefined {
  for (const delta of deltas) {
    const at = keyOf(delta);
    const keys = keysOf(delta);
    if ((keysAt.get(at) ?? keys) !== keys) return `gave delta ${delta.sequence} with other ids`;
    keysAt.set(at, keys);
  }
  return undefined;
}

function leftOut(
  shard: Given,
  { taker, position: from }: TakeDeltas,
  { deltas, position, missed = false, complete = false }: Answer,
  isExact: boolean,
): string | undefined {
  const { owed, reading } = shard;
  const changed = missed ? new Map<bigint, number>() : owed.get(taker) ?? new Map();
  owed.set(taker, changed);
  shard.sequence = Math.max(shard.sequence, position.sequence);
  if (missed) reading.add(taker);
  else if (reading.delete(taker)) {
    for (const [id, sequence] of changed) if (sequence < (from?.sequence ?? 0)) changed.delete(id);
  }
  for (const { classes } of deltas) {
    for (const changes of classes) {
      for (const id of changes?.ids ?? []) changed.delete(id);
      for (const id of changes?.tombstones ?? []) changed.delete(id);
    }
  }
  if (!complete || !isExact || changed.size === 0) return undefined;
  return `gave an answer as complete, and ${changed.size} changed ids were in no delta`;
}

function keyOf({ lineage, sequence }: DeltaPosition): string {
  return `${lineage} ${sequence}`;
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

/**
 * A shard has the rows that its options ask for.
 *
 *     at the end, ∀ shard, ∀ id of applied gradients:
 *         clock(shard) − updated(id) ≥ expiry(id)  ⇒  there is no row
 *         occurrences(id) ≤ threshold(id)          ⇒  there is no row
 *         otherwise                                ⇒  there is a row, unless ids are counted first
 *
 * clock is the newest data time of all gradients that the shard has applied, in seconds, of which
 * bounds are known; updated is that of the id. After a restart the counts of ids without a row may
 * be lost, so that a row comes later than the threshold says. A fail-over of Redis loses gradients
 * that were applied, and an operator may give examples up with their snapshots: both end the check.
 */
import type {
  ApplyGradients,
  EmbeddingShardMessage,
  RemoveRows,
} from "../../actors/embedding_shard/protocol.ts";
import type { SlotOptions } from "../../kernels/embedding/options.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { addresses } from "../../server/addresses.ts";
import type { CheckerFactory } from "./checker.ts";
import { rowsOf } from "./shard_rows.ts";

const SHARD = "embedding_shard/";
/** Time for the search for expired rows to come around, several times, ms. */
const SWEEP_MS = 2_000;
const SWEEPS_MAX = 5;
/** Bits of a feature id below its slot. */
const SLOT_SHIFT = 48n;

/** An id's updates. */
interface Seen {
  updatedSeconds: number;
  /** Occurrences by source and sequence: a replay applies them again. */
  readonly counts: Map<string, number>;
}

/** @param running The process at the end of the run. */
export function admittedRows(running: () => RunningMesh | undefined): CheckerFactory {
  return (context) => {
    const seen = new Map<bigint, Seen>();
    let isLost = false;
    return {
      name: "admitted-rows",
      answers(actor, request, value) {
        if (!actor.startsWith(SHARD)) return;
        if (request.kind !== "applyGradients" && request.kind !== "removeRows") return;
        if (!(value as { readonly applied: boolean }).applied) return;
        const message = request as ApplyGradients | RemoveRows;
        if (message.kind === "applyGradients") note(seen, message);
        else for (const id of message.ids) seen.delete(id);
      },
      redisLost() {
        isLost = true;
      },
      examplesGivenUp() {
        isLost = true;
      },
      async atEnd() {
        const mesh = running();
        if (mesh === undefined || isLost) return;
        let problem = await problemOf(mesh, seen);
        for (let i = 0; i < SWEEPS_MAX && problem !== undefined; i++) {
          const { clock } = mesh.mesh.home;
          await new Promise<void>((resolve) => void clock.schedule(SWEEP_MS, resolve));
          problem = await problemOf(mesh, seen);
        }
        if (problem !== undefined) context.fail(problem);
      },
    };
  };
}

function note(seen: Map<bigint, Seen>, message: ApplyGradients): void {
  const { source, sequence, ids, counts, atMs } = message;
  const seconds = Math.floor(atMs / 1_000);
  ids.forEach((id, i) => {
    let entry = seen.get(id);
    if (entry === undefined) seen.set(id, entry = { updatedSeconds: 0, counts: new Map() });
    entry.updatedSeconds = Math.max(entry.updatedSeconds, seconds);
    entry.counts.set(`${source} ${sequence}`, counts[i]);
  });
}

async function problemOf(
  { mesh, configuration }: RunningMesh,
  seen: ReadonlyMap<bigint, Seen>,
): Promise<string | undefined> {
  const { shardCount, sharding, embeddingShard } = configuration;
  const slots = new Map<number, SlotOptions>();
  for (const { slots: ofClass } of embeddingShard.tables.classes) {
    for (const slot of ofClass) slots.set(slot.number, slot);
  }
  const present = new Map<bigint, number>();
  for (let shard = 0; shard < shardCount; shard++) {
    const owner = mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard, sharding));
    for await (const { ids } of rowsOf(owner)) for (const id of ids) present.set(id, shard);
  }
  // A shard's clock is at least that of its rows, and at most that of all gradients.
  const clocks = Array.from({ length: shardCount }, () => 0);
  for (const [id, shard] of present) {
    clocks[shard] = Math.max(clocks[shard], seen.get(id)?.updatedSeconds ?? 0);
  }
  const newest = Math.max(0, ...[...seen.values()].map((each) => each.updatedSeconds));
  for (const [id, { updatedSeconds, counts }] of seen) {
    const shard = present.get(id);
    const { expirySeconds = Infinity, admission } = slots.get(Number(id >> SLOT_SHIFT)) ?? {};
    const occurrences = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const threshold = admission?.kind === "threshold" ? admission.threshold : 0;
    const name = `id ${id.toString(16)}`;
    if (shard === undefined) {
      if (newest - updatedSeconds < expirySeconds && threshold === 0) {
        return `${name} was updated ${newest - updatedSeconds} s ago and has no row`;
      }
    } else if (clocks[shard] - updatedSeconds >= expirySeconds) {
      return `${name} of embedding_shard/${shard} expired ${
        clocks[shard] - updatedSeconds - expirySeconds
      } s ago and has a row`;
    } else if (occurrences <= threshold) {
      return `${name} of embedding_shard/${shard} has a row after ${occurrences} occurrences`;
    }
  }
  return undefined;
}

/**
 * `learnedThroughMs` claims nothing that is not learned and served.
 *
 *     whenever a replica is told W, or answers a lookup with it, ∀ source s:
 *         c = the first chunk of s with the largest acceptedAtMs ≤ W
 *         some incarnation of a shard has applied s up to the end of c, and
 *         the replica has every row of its shard that gradients of s up to c's end have changed
 *     ∀ scores with W, ∀ shard of the request's ids:  one of its replicas has a mark ≥ W
 *
 * A shard's version is the number of gradients that its incarnation applied. A delta that was not
 * cut off at `rowsMax` brings a replica to the version at which it was taken, if the replica has
 * all deltas before it; an older one brings the replica back. After a shard's restart its replica
 * still serves the rows of the incarnation before, until it is loaded anew. An incarnation moves
 * with its shard.
 */
import type {
  DeltaPosition,
  EmbeddingShardMessage,
  TakeDeltas,
} from "../../actors/embedding_shard/protocol.ts";
import type { ShardHandover } from "../../actors/embedding_shard/copy_protocol.ts";
import type { ScorerOptions } from "../../actors/scorer/options.ts";
import type { ChangeReplicas, Score, ScorerMessage, Scores } from "../../actors/scorer/protocol.ts";
import type { LookedUpRows, ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { Address, Message, ReplyOf } from "../../mesh/runtime/actor.ts";
import { type ExampleChunk, nextRowOf } from "../../records/example_chunk.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";
import { refusableRows } from "./example_rows.ts";
import { ReplicaMarks } from "./replica_marks.ts";

const SHARD = "embedding_shard/";
const REPLICA = "serving_replica/";
const SCORER = "scorer/";
/** Scores whose marks are compared with those of the replicas: one of so many. */
const SCORES_PER_LOOK = 4;

/** A chunk of examples, as freshness sees it. */
interface Decided {
  readonly acceptedAtMs: number;
  /** Sequence behind the last row up to its end that shards hear of. */
  readonly end: number;
}

/** Gradients that a shard applied. */
interface Step {
  readonly source: string;
  readonly sequence: number;
  /** The shard's version from then on. */
  readonly version: number;
}

/** One incarnation of a shard; it continues when the shard moves to another host. */
interface Incarnation {
  version: number;
  readonly steps: Step[];
  /** Version of the rows that are being exported to a replica. */
  exported: number;
}

/** The rows of a replica, from its first delta or load. */
interface Replica {
  readonly incarnation: Incarnation | undefined;
  /** Version of the incarnation that it serves at least. */
  served: number | undefined;
  /** It has the rows of all deltas up to here, or newer ones. */
  readonly position: DeltaPosition;
}

export function honestFreshness(context: CheckerContext): Checker {
  return new HonestFreshness(context);
}

class HonestFreshness implements Checker {
  readonly name = "honest-freshness";
  readonly #context: CheckerContext;
  readonly #chunks = new Map<string, Decided[]>();
  readonly #incarnations = new Map<string, Incarnation>();
  /** By shard, the incarnation that began last. */
  readonly #newest = new Map<string, Incarnation>();
  /** By host and shard, the incarnation that its actor has named last. */
  readonly #present = new Map<string, Incarnation>();
  readonly #byLineage = new Map<string, Incarnation>();
  /** Version that a delta's position brings a replica to. */
  readonly #versionAt = new Map<string, number>();
  readonly #replicas = new Map<Address, Replica>();
  readonly #marks: ReplicaMarks;
  /** The claim of each replica that was looked at last. */
  readonly #claims = new Map<Address, { readonly of: Replica | undefined; readonly ms: number }>();
  /** By scorer, the replicas that it asks, by shard. */
  readonly #asked = new Map<Address, ScorerOptions["replicas"]>();
  readonly #kernel = BatchKernel.create();
  #scored = 0;
  /** By source, the highest sequence that any incarnation of a shard has applied. */
  readonly #learned = new Map<string, number>();

  constructor(context: CheckerContext) {
    this.#context = context;
    this.#marks = new ReplicaMarks(() => context.nowMs());
  }

  processBegan(host?: string): void {
    for (const replica of this.#replicas.keys()) {
      if (hostOf(replica) === host) this.#replicas.delete(replica);
    }
  }

  began(actor: Address, host?: string, options?: unknown): void {
    this.#marks.began(actor);
    if (actor.startsWith(SCORER)) this.#asked.set(actor, (options as ScorerOptions).replicas);
    if (actor.startsWith(REPLICA)) this.#replicas.delete(actor);
    if (actor.startsWith(SHARD)) this.#present.delete(`${host} ${actor}`);
  }

  durable(log: string, partition: number, records: readonly Uint8Array[]): void {
    if (log !== "examples") return;
    const source = gradientSource(partition);
    const chunks = this.#chunks.get(source) ?? [];
    this.#chunks.set(source, chunks);
    for (const chunk of decodedChunks(records)) {
      const end = learnableEnd(chunk) ?? chunks.at(-1)?.end ?? 0;
      chunks.push({ acceptedAtMs: chunk.acceptedAtMs, end });
    }
  }

  tailLost(log: string, partition: number, endOffset: number): void {
    if (log === "examples") this.#chunks.get(gradientSource(partition))?.splice(endOffset);
  }

  answers(actor: Address, request: Message, value: unknown, host?: string): void {
    if (actor.startsWith(SHARD)) {
      this.#onShard(actor, request as EmbeddingShardMessage, value, host);
    } else if (actor.startsWith(REPLICA)) {
      this.#onReplica(actor, request as ServingReplicaMessage, value);
    } else if (actor.startsWith(SCORER)) {
      this.#onScorer(actor, request as ScorerMessage, value);
    }
  }

  #onScorer(scorer: Address, message: ScorerMessage, value: unknown): void {
    if (message.kind === "changeReplicas") {
      const used = value as ReplyOf<ChangeReplicas>;
      if (used.sharding === message.sharding) this.#asked.set(scorer, message.replicas);
    }
    if (message.kind === "score" && this.#scored++ % SCORES_PER_LOOK === 0) {
      this.#compare(scorer, message, (value as Scores).learnedThroughMs);
    }
  }

  /** Scores claim no more than the replicas that were asked. */
  #compare(scorer: Address, { features: { ids } }: Score, learnedThroughMs: number): void {
    const asked = this.#asked.get(scorer) ?? [];
    const { groupStarts } = this.#kernel.unique(ids, asked.length);
    for (const [shard, replicas] of asked.entries()) {
      if (groupStarts[shard] === groupStarts[shard + 1]) continue;
      if (this.#marks.newestOf(replicas) >= learnedThroughMs) continue;
      this.#context.fail(
        `${scorer} claims ${learnedThroughMs}, and the mark of ${replicas.join(" or ")} is lower`,
      );
    }
  }

  /** A replica says that it knows all events until then. */
  #claim(actor: Address, learnedThroughMs = 0): void {
    const replica = this.#replicas.get(actor);
    const last = this.#claims.get(actor);
    if (last?.of === replica && last?.ms === learnedThroughMs) return;
    this.#claims.set(actor, { of: replica, ms: learnedThroughMs });
    if (learnedThroughMs === 0) return; // claims nothing
    for (const [source, chunks] of this.#chunks) {
      const end = claimed(chunks, learnedThroughMs);
      if (end === 0 || this.#newest.size === 0) continue;
      const learned = this.#learned.get(source) ?? 0;
      if (learned < end) {
        this.#context.fail(
          `learnedThroughMs ${learnedThroughMs} claims row ${end - 1} of ${source}, and no shard ` +
            `has applied more than ${learned} rows`,
        );
      }
      // A replica of an earlier incarnation has the rows that were learned then.
      const { incarnation, served } = replica ?? {};
      if (incarnation !== this.#newest.get(shardOf(actor))) continue;
      const needed = incarnation?.steps
        .findLast((step) => step.source === source && step.sequence <= end);
      if (needed === undefined || served === undefined || served >= needed.version) continue;
      this.#context.fail(
        `learnedThroughMs ${learnedThroughMs} claims row ${end - 1} of ${source}, which ` +
          `${actor} does not serve yet`,
      );
    }
  }

  #onShard(
    actor: Address,
    message: EmbeddingShardMessage,
    value: unknown,
    host: string | undefined,
  ): void {
    const key = `${host} ${actor}`;
    switch (message.kind) {
      case "openSource": {
        const { incarnation, sequence } = value as {
          readonly incarnation: string;
          readonly sequence: number;
        };
        this.#present.set(key, this.#named(actor, incarnation));
        return this.#noteLearned(message.source, sequence);
      }
      case "applyGradients":
      case "removeRows": {
        if (!(value as { readonly applied: boolean }).applied) return;
        if (message.kind === "removeRows" && !message.isLast) return;
        const { source, sequence, opening } = message;
        const shard = this.#named(actor, opening.incarnation);
        this.#present.set(key, shard);
        shard.steps.push({ source, sequence, version: ++shard.version });
        return this.#noteLearned(source, sequence);
      }
      case "takeDeltas": {
        const { deltas, position, incarnation, complete = false } = value as ReplyOf<TakeDeltas>;
        const shard = this.#named(actor, incarnation);
        this.#present.set(key, shard);
        this.#byLineage.set(position.lineage, shard);
        for (const delta of deltas) {
          const cutOff = delta.classes.some((changes) =>
            changes !== undefined &&
            changes.ids.length + changes.tombstones.length >= message.rowsMax
          );
          const at = keyOf(delta);
          // A delta brings every taker the rows that it brought the first one.
          if (!cutOff && !this.#versionAt.has(at)) this.#versionAt.set(at, shard.version);
        }
        if (deltas.length > 0 || !complete) return;
        const at = keyOf(position);
        this.#versionAt.set(at, shard.version); // nothing has changed since that position
        for (const replica of this.#replicas.values()) {
          if (keyOf(replica.position) === at) replica.served = shard.version;
        }
        return;
      }
      case "finishCopy": {
        const shard = this.#present.get(key);
        const { handover } = value as { readonly handover?: ShardHandover };
        const newest = handover?.deltas?.held.at(-1)?.delta;
        if (shard === undefined || newest === undefined) return;
        // The last delta that was made for the handover has all changes.
        const at = keyOf(newest);
        if (!this.#versionAt.has(at)) this.#versionAt.set(at, shard.version);
        return;
      }
      case "exportRows": {
        const shard = this.#present.get(key);
        if (shard === undefined) return;
        const { position } = value as { readonly position: DeltaPosition };
        this.#byLineage.set(position.lineage, shard);
        // Later pages hold rows that are as new as the first page's, or newer.
        if (message.cursor === undefined) shard.exported = shard.version;
        return;
      }
      default:
        return;
    }
  }

  #onReplica(actor: Address, message: ServingReplicaMessage, value: unknown): void {
    if (this.#marks.answers(actor, message) && message.kind === "setMark") {
      return this.#claim(actor, message.learnedThroughMs);
    }
    if (message.kind === "lookup") {
      return this.#claim(actor, (value as LookedUpRows).learnedThroughMs);
    }
    if (message.kind === "loadRows" && message.position !== undefined) {
      const { position, lacksRows = false } = message;
      const shard = this.#byLineage.get(position.lineage);
      if (shard === undefined) return;
      // A replica may begin empty where deltas bring all rows; nothing is exported then.
      const begun = lacksRows ? 0 : this.#versionAt.get(keyOf(position)) ?? 0;
      this.#serves(actor, shard, position, Math.max(shard.exported, begun));
    }
    if (message.kind !== "applyDelta") return;
    if ((value as { readonly status: string }).status !== "applied") return;
    const { delta } = message;
    const shard = this.#byLineage.get(delta.lineage);
    if (shard === undefined) return;
    const version = this.#versionAt.get(keyOf(delta));
    const before = this.#replicas.get(actor);
    if (before === undefined || follows(delta, before.position)) {
      this.#serves(actor, shard, delta, version);
    } else if (delta.sequence < before.position.sequence) {
      const { lineage, sequence } = delta;
      this.#replicas.set(actor, {
        ...before,
        position: { lineage, sequence },
        served: Math.min(before.served ?? 0, version ?? 0),
      });
    }
  }

  /** Notes the rows that a replica has now; an undefined version tells nothing. */
  #serves(
    actor: Address,
    incarnation: Incarnation,
    { lineage, sequence }: DeltaPosition,
    version: number | undefined,
  ): void {
    const before = this.#replicas.get(actor);
    const served = before?.incarnation === incarnation ? before.served : undefined;
    this.#replicas.set(actor, {
      incarnation,
      position: { lineage, sequence },
      served: version === undefined ? served : Math.max(served ?? 0, version),
    });
  }

  #noteLearned(source: string, sequence: number): void {
    this.#learned.set(source, Math.max(sequence, this.#learned.get(source) ?? 0));
  }

  /** An incarnation of a shard; one that is new is the newest. */
  #named(actor: Address, name: string): Incarnation {
    let incarnation = this.#incarnations.get(name);
    if (incarnation === undefined) {
      incarnation = { version: 0, steps: [], exported: 0 };
      this.#incarnations.set(name, incarnation);
      this.#newest.set(shardOf(actor), incarnation);
    }
    return incarnation;
  }
}

/**
 * The sequence behind a chunk's last row that a model can learn, or behind its erasures; undefined
 * where shards hear nothing of it.
 */
function learnableEnd(chunk: ExampleChunk): number | undefined {
  if (chunk.forget?.length) return nextRowOf(chunk);
  const last = refusableRows(chunk).lastIndexOf(false);
  return last < 0 ? undefined : chunk.firstRow + last + 1;
}

/** The shard of `embedding_shard/3#1` or `serving_replica/3#1@edge`, with its sharding. */
function shardOf(actor: Address): string {
  return actor.slice(actor.indexOf("/") + 1).split("@")[0];
}

/** The host in `serving_replica/3@edge`; undefined where one process is all. */
function hostOf(actor: Address): string | undefined {
  return actor.split("@")[1];
}

/**
 * The end of the chunk whose acceptance mark is claimed. Later chunks may carry the same mark: the
 * windows that decided them closed after it. Marks never fall from chunk to chunk.
 */
function claimed(chunks: readonly Decided[], learnedThroughMs: number): number {
  const behind = firstFrom(chunks, (mark) => mark > learnedThroughMs);
  if (behind === 0) return 0;
  const { acceptedAtMs } = chunks[behind - 1];
  return chunks[firstFrom(chunks, (mark) => mark >= acceptedAtMs)].end;
}

/** Index of the first chunk whose mark is large enough; the number of chunks if none is. */
function firstFrom(chunks: readonly Decided[], isEnough: (mark: number) => boolean): number {
  let [low, high] = [0, chunks.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isEnough(chunks[middle].acceptedAtMs)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether a delta is the next one of its lineage, or of another lineage. */
function follows(delta: DeltaPosition, { lineage, sequence }: DeltaPosition): boolean {
  return delta.lineage !== lineage || delta.sequence === sequence + 1;
}

function keyOf({ lineage, sequence }: DeltaPosition): string {
  return `${lineage} ${sequence}`;
}

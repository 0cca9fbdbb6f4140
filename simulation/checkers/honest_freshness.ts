/**
 * `learnedThroughMs` claims nothing that is not learned and served.
 *
 *     whenever a scorer is told W, ∀ source s:
 *         c = the first chunk of s with the largest acceptedAtMs ≤ W
 *         some incarnation of a shard has applied s up to the end of c, and
 *         ∀ shard: its replica has every row that gradients of s up to the end of c have changed
 *
 * A shard's version is the number of gradients that its incarnation applied. A delta that was not
 * cut off at `rowsMax` brings a replica to the version at which it was taken. After a shard's
 * restart its replica still serves the rows of the incarnation before, until it is loaded anew.
 */
import type {
  Delta,
  DeltaPosition,
  EmbeddingShardMessage,
} from "../../actors/embedding_shard/protocol.ts";
import type { ScorerMessage } from "../../actors/scorer/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { Address, Message } from "../../mesh/runtime/actor.ts";
import { nextRowOf } from "../../records/example_chunk.ts";
import type { Checker, CheckerContext } from "./checker.ts";
import { decodedChunks } from "./decoded_records.ts";

const SHARD = "embedding_shard/";
const REPLICA = "serving_replica/";

/** A chunk of examples, as freshness sees it. */
interface Decided {
  readonly acceptedAtMs: number;
  /** Sequence behind its last row. */
  readonly end: number;
}

/** Gradients that a shard applied. */
interface Step {
  readonly source: string;
  readonly sequence: number;
  /** The shard's version from then on. */
  readonly version: number;
}

/** One incarnation of a shard, and of the replica that follows it. */
interface Shard {
  version: number;
  readonly steps: Step[];
  /** Version that a delta's position brings a replica to. */
  readonly versionAt: Map<string, number>;
  /** Version of the rows that are being exported to a replica. */
  exported: number;
  /** Position and version of the replica; undefined until a delta has told. */
  position: string | undefined;
  served: number | undefined;
}

export function honestFreshness(context: CheckerContext): Checker {
  return new HonestFreshness(context);
}

class HonestFreshness implements Checker {
  readonly name = "honest-freshness";
  readonly #context: CheckerContext;
  readonly #chunks = new Map<string, Decided[]>();
  readonly #shards = new Map<string, Shard>();
  /** By source, the highest sequence that any incarnation of a shard has applied. */
  readonly #learned = new Map<string, number>();

  constructor(context: CheckerContext) {
    this.#context = context;
  }

  processBegan(): void {
    this.#shards.clear();
  }

  began(actor: Address): void {
    const [kind, number] = actor.split("/");
    if (kind === "embedding_shard") this.#shards.delete(number);
    const shard = this.#shards.get(number);
    if (kind === "serving_replica" && shard !== undefined) shard.served = undefined;
  }

  durable(log: string, partition: number, records: readonly Uint8Array[]): void {
    if (log !== "examples") return;
    const source = `trainer/${partition}`;
    const chunks = this.#chunks.get(source) ?? [];
    this.#chunks.set(source, chunks);
    for (const chunk of decodedChunks(records)) {
      // Shards hear of rows and of erasures alone.
      const isEmpty = chunk.rows === 0 && !chunk.forget?.length;
      const end = isEmpty ? chunks.at(-1)?.end ?? 0 : nextRowOf(chunk);
      chunks.push({ acceptedAtMs: chunk.acceptedAtMs, end });
    }
  }

  handles(actor: Address, message: Message): void {
    if (!actor.startsWith("scorer/")) return;
    const told = message as ScorerMessage;
    if (told.kind === "setFreshness") this.#claim(told.learnedThroughMs);
  }

  answers(actor: Address, request: Message, value: unknown): void {
    if (actor.startsWith(SHARD)) {
      const shard = this.#shard(actor.slice(SHARD.length));
      this.#onShard(shard, request as EmbeddingShardMessage, value);
    } else if (actor.startsWith(REPLICA)) {
      const shard = this.#shard(actor.slice(REPLICA.length));
      this.#onReplica(shard, request as ServingReplicaMessage, value);
    }
  }

  #claim(learnedThroughMs: number): void {
    if (learnedThroughMs === 0) return; // claims nothing
    for (const [source, chunks] of this.#chunks) {
      const end = claimed(chunks, learnedThroughMs);
      if (end === 0 || this.#shards.size === 0) continue;
      const learned = this.#learned.get(source) ?? 0;
      if (learned < end) {
        this.#context.fail(
          `learnedThroughMs ${learnedThroughMs} claims row ${end - 1} of ${source}, and no shard ` +
            `has applied more than ${learned} rows`,
        );
      }
      for (const [number, { steps, served }] of this.#shards) {
        const needed = steps.findLast((step) => step.source === source && step.sequence <= end);
        if (needed === undefined || served === undefined || served >= needed.version) continue;
        this.#context.fail(
          `learnedThroughMs ${learnedThroughMs} claims row ${end - 1} of ${source}, which ` +
            `serving_replica/${number} does not serve yet`,
        );
      }
    }
  }

  #onShard(shard: Shard, message: EmbeddingShardMessage, value: unknown): void {
    switch (message.kind) {
      case "openSource": {
        const { sequence } = value as { readonly sequence: number };
        return this.#noteLearned(message.source, sequence);
      }
      case "applyGradients": {
        if (!(value as { readonly applied: boolean }).applied) return;
        const { source, sequence } = message;
        shard.steps.push({ source, sequence, version: ++shard.version });
        return this.#noteLearned(source, sequence);
      }
      case "removeRows": {
        if (!(value as { readonly applied: boolean }).applied || !message.isLast) return;
        const { source, sequence } = message;
        shard.steps.push({ source, sequence, version: ++shard.version });
        return this.#noteLearned(source, sequence);
      }
      case "takeDelta": {
        const { delta, position } = value as { readonly delta?: Delta; position: DeltaPosition };
        const cutOff = delta?.classes.some((changes) =>
          changes !== undefined &&
          changes.ids.length + changes.tombstones.length >= message.rowsMax
        ) ?? false;
        const key = keyOf(position);
        if (delta === undefined) {
          shard.versionAt.set(key, shard.version); // nothing has changed since that position
          if (shard.position === key) shard.served = shard.version;
        } else if (!cutOff && !shard.versionAt.has(key)) {
          // A delta that is given again brings the rows that it brought the first time.
          shard.versionAt.set(key, shard.version);
        }
        return;
      }
      case "exportRows":
        // Later pages hold rows that are as new as the first page's, or newer.
        if (message.cursor === undefined) shard.exported = shard.version;
        return;
      default:
        return;
    }
  }

  #onReplica(shard: Shard, message: ServingReplicaMessage, value: unknown): void {
    if (message.kind === "loadRows" && message.position !== undefined) {
      shard.position = keyOf(message.position);
      shard.served = Math.max(shard.served ?? 0, shard.exported);
    }
    if (message.kind !== "applyDelta") return;
    if ((value as { readonly status: string }).status !== "applied") return;
    shard.position = keyOf(message.delta);
    const version = shard.versionAt.get(shard.position);
    if (version !== undefined) shard.served = Math.max(shard.served ?? 0, version);
  }

  #noteLearned(source: string, sequence: number): void {
    this.#learned.set(source, Math.max(sequence, this.#learned.get(source) ?? 0));
  }

  #shard(number: string): Shard {
    let shard = this.#shards.get(number);
    if (shard === undefined) {
      shard = {
        version: 0,
        steps: [],
        versionAt: new Map(),
        exported: 0,
        position: undefined,
        served: undefined,
      };
      this.#shards.set(number, shard);
    }
    return shard;
  }
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

function keyOf({ lineage, sequence }: DeltaPosition): string {
  return `${lineage} ${sequence}`;
}

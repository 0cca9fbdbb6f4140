/**
 * A change of the number of shards loses no row and no freshness.
 *
 *     ∀ scorer that goes to the replicas of sharding k:
 *         each of them has been filled, and no shard of k still loads its rows
 *         learnedThroughMs of the scorer does not fall
 *     at the end, ∀ row:  it is in the shard that its id belongs to, and in no other
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { ScorerMessage } from "../../actors/scorer/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { Address, Message } from "../../mesh/runtime/actor.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { addresses } from "../../server/addresses.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { rowsOf } from "./shard_rows.ts";

/** The model that a scorer serves. */
interface Served {
  sharding: number;
  learnedThroughMs: number;
}

/** @param serving The serving processes at the end of the run. */
export function wholeShardings(serving: () => readonly RunningMesh[]): CheckerFactory {
  return (context) => new WholeShardings(context, serving);
}

class WholeShardings implements Checker {
  readonly name = "whole-shardings";
  readonly #context: CheckerContext;
  readonly #serving: () => readonly RunningMesh[];
  readonly #served = new Map<Address, Served>();
  /** Replicas that have rows of a position, since they began. */
  readonly #filled = new Set<Address>();
  /** Shards that answered last that they still load their rows. */
  readonly #loading = new Set<Address>();

  constructor(context: CheckerContext, serving: () => readonly RunningMesh[]) {
    this.#context = context;
    this.#serving = serving;
  }

  began(actor: Address): void {
    this.#served.delete(actor);
    this.#filled.delete(actor);
    this.#loading.delete(actor);
  }

  answers(actor: Address, request: Message, value: unknown): void {
    if (actor.startsWith("scorer/")) this.#told(actor, request as ScorerMessage, value);
    if (actor.startsWith("serving_replica/")) {
      const message = request as ServingReplicaMessage;
      if (message.kind !== "loadRows") return;
      if (message.position !== undefined) this.#filled.add(actor);
    }
    if (actor.startsWith("embedding_shard/")) {
      if ((request as EmbeddingShardMessage).kind !== "takeDeltas") return;
      if ((value as { readonly isLoading?: boolean }).isLoading) this.#loading.add(actor);
      else this.#loading.delete(actor);
    }
  }

  #told(scorer: Address, message: ScorerMessage, value: unknown): void {
    if (message.kind !== "setFreshness" && message.kind !== "changeReplicas") return;
    const { sharding } = value as { readonly sharding: number };
    const before = this.#served.get(scorer);
    if (message.sharding !== sharding) return;
    const { learnedThroughMs } = message;
    if (message.kind === "changeReplicas" && sharding !== before?.sharding) {
      if (learnedThroughMs < (before?.learnedThroughMs ?? 0)) {
        this.#context.fail(
          `${scorer} went from ${before?.learnedThroughMs} to ${learnedThroughMs} with the ` +
            `replicas of sharding ${sharding}`,
        );
      }
      for (const replica of message.replicas.flat()) {
        if (this.#filled.has(replica)) continue;
        this.#context.fail(`${scorer} uses ${replica}, which was not filled`);
      }
      for (const shard of message.replicas.keys()) {
        const owner = addresses.embeddingShard(shard, sharding);
        if (!this.#loading.has(owner)) continue;
        this.#context.fail(`${scorer} uses sharding ${sharding}, and ${owner} loads its rows`);
      }
    }
    this.#served.set(scorer, { sharding, learnedThroughMs });
  }

  async atEnd(): Promise<void> {
    const [running] = this.#serving();
    if (running === undefined) return;
    const { mesh, configuration: { shardCount, sharding } } = running;
    const kernel = BatchKernel.create();
    const seen = new Set<bigint>();
    for (let shard = 0; shard < shardCount; shard++) {
      const owner = addresses.embeddingShard(shard, sharding);
      for await (const { ids } of rowsOf(mesh.actorRef<EmbeddingShardMessage>(owner))) {
        for (const id of ids) {
          const { groupStarts } = kernel.unique(BigUint64Array.of(id), shardCount);
          const home = groupStarts.findIndex((start) => start > 0) - 1;
          if (home !== shard) {
            this.#context.fail(`${owner} has id ${id.toString(16)} of shard ${home}`);
          }
          if (seen.has(id)) this.#context.fail(`id ${id.toString(16)} has two rows`);
          seen.add(id);
        }
      }
    }
  }
}

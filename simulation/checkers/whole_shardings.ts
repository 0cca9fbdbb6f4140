/**
 * A change of the number of shards loses no row and no freshness.
 *
 *     ∀ scorer that goes to the replicas of sharding k:
 *         each of them has been filled, and no shard of k still loads its rows
 *         together they have learned what the scorer's last scores had
 *     at the end, ∀ row:  it is in the shard that its id belongs to, and in no other
 *
 * A scorer may go without the shards that other hosts alone hold, if its last scores lacked rows,
 * or as long as it has not said that all shards answer.
 */
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { ScorerOptions } from "../../actors/scorer/options.ts";
import type {
  ChangeReplicas,
  GetScorerStatus,
  ScorerMessage,
  Scores,
} from "../../actors/scorer/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { Address, Message, ReplyOf } from "../../mesh/runtime/actor.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { addresses } from "../../server/addresses.ts";
import type { Checker, CheckerContext, CheckerFactory } from "./checker.ts";
import { ReplicaMarks } from "./replica_marks.ts";
import { rowsOf } from "./shard_rows.ts";

/** @param serving The serving processes at the end of the run. */
export function wholeShardings(serving: () => readonly RunningMesh[]): CheckerFactory {
  return (context) => new WholeShardings(context, serving);
}

class WholeShardings implements Checker {
  readonly name = "whole-shardings";
  readonly #context: CheckerContext;
  readonly #serving: () => readonly RunningMesh[];
  readonly #marks: ReplicaMarks;
  /** The sharding whose replicas each scorer uses, as it has answered. */
  readonly #shardings = new Map<Address, number>();
  /** The last scores of each scorer since it began. */
  readonly #scores = new Map<Address, Scores>();
  /** Scorers that have said that all shards in use answer. */
  readonly #answered = new Set<Address>();
  /** Replicas that have rows of a position, since they began. */
  readonly #filled = new Set<Address>();
  /** Shards that answered last that they still load their rows. */
  readonly #loading = new Set<Address>();

  constructor(context: CheckerContext, serving: () => readonly RunningMesh[]) {
    this.#context = context;
    this.#serving = serving;
    this.#marks = new ReplicaMarks(() => context.nowMs());
  }

  began(actor: Address, _host?: string, options?: unknown): void {
    this.#marks.began(actor);
    if (actor.startsWith("scorer/")) {
      this.#answered.delete(actor);
      this.#shardings.set(actor, (options as ScorerOptions).sharding);
      this.#scores.delete(actor);
    }
    this.#filled.delete(actor);
    this.#loading.delete(actor);
  }

  answers(actor: Address, request: Message, value: unknown): void {
    this.#marks.answers(actor, request);
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
    if (message.kind === "score") this.#scores.set(scorer, value as Scores);
    if (message.kind === "getStatus") {
      const { ready, shardsAway } = value as ReplyOf<GetScorerStatus>;
      if (ready && shardsAway === 0) this.#answered.add(scorer);
    }
    if (message.kind !== "changeReplicas") return;
    const { sharding } = value as ReplyOf<ChangeReplicas>;
    const before = this.#shardings.get(scorer);
    this.#shardings.set(scorer, sharding);
    if (message.sharding === sharding && before !== sharding) this.#took(scorer, message);
  }

  #took(scorer: Address, { sharding, replicas }: ChangeReplicas): void {
    const { shardsAway = Infinity, learnedThroughMs: scoredMs = 0 } = this.#scores.get(scorer) ??
      {};
    const isWhole = this.#answered.delete(scorer) && shardsAway === 0;
    const host = scorer.split("/")[1];
    const needed = [...replicas.entries()].filter(([, ofShard]) =>
      isWhole || ofShard.some((replica) => hostOf(replica) === host)
    );
    const learnedMs = Math.min(...needed.map(([, ofShard]) => this.#marks.newestOf(ofShard)));
    if (learnedMs < scoredMs) {
      this.#context.fail(
        `${scorer} went from ${scoredMs} to ${learnedMs} with the replicas of sharding ${sharding}`,
      );
    }
    for (const [shard, ofShard] of needed) {
      if (!ofShard.some((replica) => this.#filled.has(replica))) {
        this.#context.fail(`${scorer} uses ${ofShard.join(" or ")}, and none was filled`);
      }
      const owner = addresses.embeddingShard(shard, sharding);
      if (!this.#loading.has(owner)) continue;
      this.#context.fail(`${scorer} uses sharding ${sharding}, and ${owner} loads its rows`);
    }
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

/** The host of a replica, as its scorer has it; "0" in one process. */
function hostOf(replica: Address): string {
  return replica.split("@")[1] ?? "0";
}

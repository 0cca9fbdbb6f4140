/**
 * The ranker's side of the serving replicas: one replica of each shard, another when it fails.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import type { FeatureIds } from "../../kernels/embedding/options.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";

export interface FoundRows {
  /** `[unique, width]` */
  readonly rows: Float32Array<ArrayBuffer>;
  /** 1 where the id has a row, `[unique]`. */
  readonly found: Uint8Array<ArrayBuffer>;
}

export class ReplicaClient {
  readonly #replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[];
  readonly #width: number;
  /** The replica in use, by shard. */
  readonly #chosen: number[];

  /** @param replicas By shard. */
  constructor(
    replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[],
    width: number,
  ) {
    this.#replicas = replicas;
    this.#width = width;
    this.#chosen = replicas.map(() => 0);
  }

  /**
   * Rows of distinct ids that are grouped by shard.
   *
   * @throws {Error} When no replica of a shard answers in time: the last replica's error.
   */
  async lookup(
    uniqueIds: FeatureIds,
    shardStarts: Uint32Array,
    options: AskOptions,
  ): Promise<FoundRows> {
    if (this.#replicas.length === 1) return await this.#ask(0, uniqueIds, options);
    const rows = new Float32Array(uniqueIds.length * this.#width);
    const found = new Uint8Array(uniqueIds.length);
    const asked: Promise<void>[] = [];
    for (let shard = 0; shard < this.#replicas.length; shard++) {
      const [from, to] = [shardStarts[shard], shardStarts[shard + 1]];
      if (from === to) continue;
      asked.push(
        this.#ask(shard, uniqueIds.slice(from, to), options).then((answer) => {
          rows.set(answer.rows, from * this.#width);
          found.set(answer.found, from);
        }),
      );
    }
    await Promise.all(asked);
    return { rows, found };
  }

  /** Whether a replica of every shard answers. */
  async probe(budgetMs: number): Promise<boolean> {
    try {
      const nothing = new BigUint64Array(0);
      await Promise.all(this.#replicas.map((_, shard) => this.#ask(shard, nothing, { budgetMs })));
      return true;
    } catch {
      return false;
    }
  }

  async #ask(shard: number, ids: FeatureIds, options: AskOptions): Promise<FoundRows> {
    const replicas = this.#replicas[shard];
    for (let attempts = 1;; attempts++) {
      const replica = replicas[this.#chosen[shard]];
      try {
        return await replica.ask({ kind: "lookup", ids }, options);
      } catch (error) {
        this.#chosen[shard] = (this.#chosen[shard] + 1) % replicas.length;
        if (attempts >= replicas.length) throw error;
      }
    }
  }
}

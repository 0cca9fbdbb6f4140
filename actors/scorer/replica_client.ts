/**
 * The scorer's side of the serving replicas: asks one replica of each shard, and another one when
 * it fails.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import type { UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import type { ServedRows } from "../../kernels/embedding/serving_table.ts";
import type { ClassIds } from "../../kernels/embedding/row_classes.ts";
import { ShardFanOut } from "../../kernels/embedding/shard_fan_out.ts";
import type { Recycled } from "../../structures/buffer_pool.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";

/** The result of a lookup; valid until the next one. */
export interface FoundRows {
  /** By shard that owns ids: for n ids of a class `[n, width]`, one class after another. */
  readonly rows: readonly Float32Array<ArrayBuffer>[];
  /** 1 where the id has a row, `[unique]`. */
  readonly found: Uint8Array<ArrayBuffer>;
}

type ShardIds = ClassIds & { readonly starts: Uint32Array<ArrayBuffer> };

/** Memory that one shard's lookups reuse, so that they leave no garbage. */
interface ShardMemory {
  /** The requested ids. A replica that timed out may still read them; its answer is ignored. */
  ids: BigUint64Array<ArrayBuffer>;
  /** The last answer, into which the next one is written. */
  spare: Recycled<ServedRows>;
}

export class ReplicaClient {
  readonly #replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[];
  readonly #classes: number;
  readonly #fanOut: ShardFanOut;
  /** Index of the replica in use, by shard. */
  readonly #chosen: number[];
  readonly #memory: readonly ShardMemory[];
  #found = new Uint8Array(0);

  /**
   * @param replicas By shard.
   * @param classes Classes of rows.
   */
  constructor(
    replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[],
    classes: number,
  ) {
    this.#replicas = replicas;
    this.#classes = classes;
    this.#fanOut = new ShardFanOut(replicas.length, classes);
    this.#chosen = replicas.map(() => 0);
    this.#memory = replicas.map(() => ({ ids: new BigUint64Array(0), spare: undefined }));
  }

  /**
   * Rows of distinct ids that are grouped by shard and class.
   *
   * @throws {Error} When no replica of a shard answers in time: the last replica's error.
   */
  async lookup(
    { uniqueIds, groupStarts }: Pick<UniqueIds, "uniqueIds" | "groupStarts">,
    options: AskOptions,
  ): Promise<FoundRows> {
    const unique = uniqueIds.length;
    if (this.#found.length < unique) this.#found = new Uint8Array(2 * unique);
    const found = this.#found.subarray(0, unique);
    const rows = await this.#fanOut.ask(groupStarts, async ({ shard, from, to, starts }) => {
      const memory = this.#memory[shard];
      const count = to - from;
      if (memory.ids.length < count) memory.ids = new BigUint64Array(2 * count);
      const ids = memory.ids.subarray(0, count);
      ids.set(uniqueIds.subarray(from, to));
      const answer = await this.#ask(shard, { ids, starts }, options);
      found.set(answer.found, from);
      return answer.rows;
    });
    return { rows, found };
  }

  /** Whether a replica of every shard answers. */
  async probe(budgetMs: number): Promise<boolean> {
    try {
      const nothing = { ids: new BigUint64Array(0), starts: new Uint32Array(this.#classes + 1) };
      await Promise.all(this.#replicas.map((_, shard) => this.#ask(shard, nothing, { budgetMs })));
      return true;
    } catch {
      return false;
    }
  }

  async #ask(shard: number, { ids, starts }: ShardIds, options: AskOptions): Promise<ServedRows> {
    const replicas = this.#replicas[shard];
    const memory = this.#memory[shard];
    for (let attempts = 1;; attempts++) {
      const replica = replicas[this.#chosen[shard]];
      const { spare } = memory;
      memory.spare = undefined;
      const transfer = spare && [spare.rows.buffer, spare.found.buffer];
      try {
        return memory.spare = await replica.ask(
          { kind: "lookup", ids, starts, spare },
          { ...options, ...(transfer && { transfer }) },
        );
      } catch (error) {
        this.#chosen[shard] = (this.#chosen[shard] + 1) % replicas.length;
        if (attempts >= replicas.length) throw error;
      }
    }
  }
}

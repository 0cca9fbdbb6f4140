/**
 * The scorer's side of the serving replicas: one replica of each shard, another when it fails.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import type { UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import type { ServedRows } from "../../kernels/embedding/class_serving_tables.ts";
import type { ClassIds } from "../../kernels/embedding/class_tables.ts";
import { classStartsOf } from "../../kernels/embedding/row_classes.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";

/** What a lookup gave; valid until the next one. */
export interface FoundRows {
  /** By shard: for n ids of a class `[n, width]`, one class after another. */
  readonly rows: readonly Float32Array<ArrayBuffer>[];
  /** 1 where the id has a row, `[unique]`. */
  readonly found: Uint8Array<ArrayBuffer>;
}

type ShardIds = ClassIds & { readonly starts: Uint32Array<ArrayBuffer> };

/** Memory that one shard's lookups use again and again, so that they leave the garbage collector nothing. */
interface ShardMemory {
  /** Ids are asked for from here. A replica that did not answer in time may still read it: nobody takes its answer. */
  ids: BigUint64Array<ArrayBuffer>;
  /** The last answer: the next one is made in its place. */
  spare: ServedRows | undefined;
}

export class ReplicaClient {
  readonly #replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[];
  readonly #classes: number;
  /** The replica in use, by shard. */
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
    const asked: Promise<Float32Array<ArrayBuffer>>[] = [];
    for (let shard = 0; shard < this.#replicas.length; shard++) {
      const starts = classStartsOf(groupStarts, shard, this.#classes);
      const from = groupStarts[shard * this.#classes];
      const count = starts[this.#classes];
      if (count === 0) continue;
      const memory = this.#memory[shard];
      if (memory.ids.length < count) memory.ids = new BigUint64Array(2 * count);
      const ids = memory.ids.subarray(0, count);
      ids.set(uniqueIds.subarray(from, from + count));
      asked.push(
        this.#ask(shard, { ids, starts }, options).then((answer) => {
          found.set(answer.found, from);
          return answer.rows;
        }),
      );
    }
    // All have ended before the next lookup uses their memory, those behind a failure too.
    const answers = await Promise.allSettled(asked);
    const rows = answers.map((answer) => {
      if (answer.status === "rejected") throw answer.reason;
      return answer.value;
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

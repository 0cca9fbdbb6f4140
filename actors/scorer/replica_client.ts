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

export class ReplicaClient {
  readonly #replicas: readonly (readonly ActorRef<ServingReplicaMessage>[])[];
  readonly #classes: number;
  /** The replica in use, by shard. */
  readonly #chosen: number[];
  /** The last answer, by shard: the next one is made in its memory, so that a lookup leaves no garbage. */
  readonly #spare: (ServedRows | undefined)[];

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
    this.#spare = replicas.map(() => undefined);
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
    if (this.#replicas.length === 1) {
      const { rows, found } = await this.#ask(0, { ids: uniqueIds, starts: groupStarts }, options);
      return { rows: [rows], found };
    }
    const found = new Uint8Array(uniqueIds.length);
    const asked: Promise<Float32Array<ArrayBuffer>>[] = [];
    for (let shard = 0; shard < this.#replicas.length; shard++) {
      const starts = classStartsOf(groupStarts, shard, this.#classes);
      const from = groupStarts[shard * this.#classes];
      const ids = uniqueIds.slice(from, from + starts[this.#classes]);
      if (ids.length === 0) continue;
      asked.push(
        this.#ask(shard, { ids, starts }, options).then((answer) => {
          found.set(answer.found, from);
          return answer.rows;
        }),
      );
    }
    return { rows: await Promise.all(asked), found };
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
    for (let attempts = 1;; attempts++) {
      const replica = replicas[this.#chosen[shard]];
      const spare = this.#spare[shard];
      this.#spare[shard] = undefined;
      const transfer = spare && [spare.rows.buffer, spare.found.buffer];
      try {
        return this.#spare[shard] = await replica.ask(
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

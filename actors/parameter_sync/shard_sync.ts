/**
 * Carries one shard's deltas to its replicas, in order and without holes.
 *
 * The shard keeps what it gave out until the next call acknowledges it, so a failure anywhere only repeats a delta.
 * A replica that missed one (it was away, it restarted empty) says "gap" and is filled from the shard's rows; so is each
 * one when the shard begins another lineage.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { ExportCursor } from "../../kernels/embedding/class_tables.ts";
import type { Delta, DeltaPosition, EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";

export interface ShardSyncOptions {
  readonly deltaRowsMax: number;
  readonly deltasPerRoundMax: number;
  readonly budgetMs: number;
}

export interface ShardRound {
  readonly deltas: number;
  readonly rows: number;
  readonly bytes: number;
  readonly gaps: number;
  /** Replicas that could not be brought up to date. */
  readonly failures: readonly Error[];
  /** All that the shard had learned when the round began is on all replicas. */
  readonly complete: boolean;
  /** The shard's life, where it is not the one that is followed: then nothing was carried. */
  readonly incarnation?: string;
}

export class ShardSync {
  readonly #shard: ActorRef<EmbeddingShardMessage>;
  readonly #replicas: readonly ActorRef<ServingReplicaMessage>[];
  readonly #options: ShardSyncOptions;
  /** Replicas that did not answer last time: they are filled anew before they get deltas again. */
  readonly #behind = new Set<ActorRef<ServingReplicaMessage>>();
  /** The life of the shard whose rows go to the replicas. */
  #incarnation: string | undefined;
  #acknowledged: DeltaPosition | undefined;

  constructor(
    shard: ActorRef<EmbeddingShardMessage>,
    replicas: readonly ActorRef<ServingReplicaMessage>[],
    options: ShardSyncOptions,
  ) {
    this.#shard = shard;
    this.#replicas = replicas;
    this.#options = options;
  }

  /** The life of the shard whose rows go to the replicas; undefined before {@link follow}. */
  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  /** The newest delta that went to the replicas. */
  get acknowledged(): DeltaPosition | undefined {
    return this.#acknowledged;
  }

  /** From now on the rows of this life of the shard go to the replicas, in place of those of another. */
  follow(incarnation: string): void {
    this.#incarnation = incarnation;
  }

  /** Takes deltas until the shard has no more, or `deltasPerRoundMax` went through. */
  async round(): Promise<ShardRound> {
    const { deltaRowsMax, deltasPerRoundMax, budgetMs } = this.#options;
    const round = { deltas: 0, rows: 0, bytes: 0, gaps: 0, failures: [] as Error[] };
    let drained = false;
    while (!drained && round.deltas < deltasPerRoundMax) {
      const { delta, position, incarnation } = await this.#shard.ask({
        kind: "takeDelta",
        acknowledged: this.#acknowledged,
        rowsMax: deltaRowsMax,
      }, { budgetMs });
      if (incarnation !== this.#incarnation) return { ...round, complete: false, incarnation };
      drained = true;
      if (delta === undefined) {
        // Nobody else would notice a replica that went away or came back empty, or that another lineage has begun.
        await this.#check(position, round);
      } else {
        round.deltas++;
        for (const changes of delta.classes) {
          if (changes === undefined) continue;
          const { ids, rows, tombstones } = changes;
          drained &&= ids.length + tombstones.length < deltaRowsMax;
          round.rows += ids.length;
          round.bytes += ids.byteLength + rows.byteLength + tombstones.byteLength;
        }
        await this.#carry(delta, round);
      }
      this.#acknowledged = position;
    }
    for (const replica of [...this.#behind]) await this.#fill(replica, round);
    return { ...round, complete: drained && this.#behind.size === 0 };
  }

  async #carry(delta: Delta, round: { gaps: number; failures: Error[] }): Promise<void> {
    const { budgetMs } = this.#options;
    await Promise.all(this.#replicas.map(async (replica) => {
      if (this.#behind.has(replica)) return;
      try {
        const { status } = await replica.ask({ kind: "applyDelta", delta }, { budgetMs });
        if (status === "applied" || status === "duplicate") return;
        round.gaps++;
        this.#behind.add(replica);
      } catch (error) {
        round.failures.push(error as Error);
        this.#behind.add(replica);
      }
    }));
  }

  /** Asks the replicas whether they stand where the shard does. */
  async #check(
    { lineage, sequence }: DeltaPosition,
    round: { gaps: number; failures: Error[] },
  ): Promise<void> {
    const { budgetMs } = this.#options;
    const known = lineage === this.#acknowledged?.lineage;
    await Promise.all(this.#replicas.map(async (replica) => {
      if (this.#behind.has(replica)) return;
      try {
        const { position } = await replica.ask({ kind: "getPosition" }, { budgetMs });
        if (position?.lineage === lineage && position.sequence === sequence) return;
        if (known) round.gaps++;
      } catch (error) {
        round.failures.push(error as Error);
      }
      this.#behind.add(replica);
    }));
  }

  /** Loads all rows of the shard into a replica, page by page, in place of those that it has. */
  async #fill(
    replica: ActorRef<ServingReplicaMessage>,
    round: { rows: number; bytes: number; failures: Error[] },
  ): Promise<void> {
    const { deltaRowsMax, budgetMs } = this.#options;
    try {
      let cursor: ExportCursor | undefined;
      let begins: DeltaPosition | undefined;
      for (let done = false; !done;) {
        const page = await this.#shard.ask(
          {
            kind: "exportRows",
            rowsMax: deltaRowsMax,
            ...(cursor === undefined ? {} : { cursor }),
          },
          { budgetMs },
        );
        const first = begins === undefined;
        // Deltas after the first page's position may repeat what later pages hold: rows are whole, so that is harmless.
        begins ??= page.position;
        if (page.position.lineage !== this.#acknowledged?.lineage) {
          throw new Error("the shard began another lineage before all its rows were read");
        }
        await replica.ask({
          kind: "loadRows",
          class: page.class,
          ids: page.ids,
          rows: page.rows,
          first,
          ...(page.done ? { position: begins } : {}),
        }, { budgetMs });
        round.rows += page.ids.length;
        round.bytes += page.ids.byteLength + page.rows.byteLength;
        cursor = page.cursor;
        done = page.done;
      }
      this.#behind.delete(replica);
    } catch (error) {
      round.failures.push(error as Error);
    }
  }
}

/**
 * Carries one shard's deltas to its replicas, in order and without holes.
 *
 * The shard keeps what it gave out until the next call acknowledges it, so a failure anywhere only repeats a delta.
 * A replica that missed one (it was away, it restarted empty) says "gap" and is filled from the shard's rows.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type { ExportCursor } from "../../kernels/embedding/class_tables.ts";
import type { Delta, EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
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
}

export class ShardSync {
  readonly #shard: ActorRef<EmbeddingShardMessage>;
  readonly #replicas: readonly ActorRef<ServingReplicaMessage>[];
  readonly #options: ShardSyncOptions;
  /** Replicas that did not answer last time: they are filled anew before they get deltas again. */
  readonly #behind = new Set<ActorRef<ServingReplicaMessage>>();
  #acknowledged = 0;

  constructor(
    shard: ActorRef<EmbeddingShardMessage>,
    replicas: readonly ActorRef<ServingReplicaMessage>[],
    options: ShardSyncOptions,
  ) {
    this.#shard = shard;
    this.#replicas = replicas;
    this.#options = options;
  }

  /** The highest sequence that went to the replicas. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Takes deltas until the shard has no more, or `deltasPerRoundMax` went through. */
  async round(): Promise<ShardRound> {
    const { deltaRowsMax, deltasPerRoundMax, budgetMs } = this.#options;
    const round = { deltas: 0, rows: 0, bytes: 0, gaps: 0, failures: [] as Error[] };
    let drained = false;
    while (!drained && round.deltas < deltasPerRoundMax) {
      const { delta, sequence } = await this.#shard.ask({
        kind: "takeDelta",
        acknowledged: this.#acknowledged,
        rowsMax: deltaRowsMax,
      }, { budgetMs });
      if (delta === undefined) drained = true;
      else {
        drained = true;
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
      this.#acknowledged = sequence;
    }
    // Without a delta nobody would notice a replica that went away or came back empty.
    if (round.deltas === 0) await this.#check(round);
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

  async #check(round: { gaps: number; failures: Error[] }): Promise<void> {
    const { budgetMs } = this.#options;
    await Promise.all(this.#replicas.map(async (replica) => {
      if (this.#behind.has(replica)) return;
      try {
        const { sequence } = await replica.ask(
          { kind: "confirm", sequence: this.#acknowledged },
          { budgetMs },
        );
        if (sequence === this.#acknowledged) return;
        round.gaps++;
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
      let begins: number | undefined;
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
        // Deltas after the first page's sequence may repeat what later pages hold: rows are whole, so that is harmless.
        begins ??= page.sequence;
        await replica.ask({
          kind: "loadRows",
          class: page.class,
          ids: page.ids,
          rows: page.rows,
          first,
          ...(page.done ? { sequence: begins } : {}),
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

/**
 * Carries one shard's deltas to its replicas, in order and without gaps.
 *
 * The shard keeps a delta until the next call acknowledges it, so a failure only repeats the delta.
 * A replica that missed a delta (it was absent, or it restarted empty) answers "gap" and is filled
 * with all rows of the shard. All replicas are filled when the shard begins another lineage.
 *
 * A fill from a shard that still loads its rows would follow the load to its end, and one from a
 * shard that has just loaded many would take as long as the load. So a replica without rows begins
 * empty then, serves, and gets the loaded rows by deltas; a replica with earlier rows serves these,
 * and is filled when the shard has all its rows.
 */
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import type {
  Delta,
  DeltaPosition,
  EmbeddingShardMessage,
  ShardCursor,
} from "../embedding_shard/protocol.ts";
import { noTracing, type Tracing } from "../../mesh/ports/tracing.ts";
import { invariant, present } from "../../structures/invariant.ts";
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
  /** Why replicas could not be brought up to date, by replica. */
  readonly failures: ReadonlyMap<number, Error>;
  /** By replica, in the order of serving hosts: whether it has all changes before the round. */
  readonly complete: readonly boolean[];
  /** Whether the shard still loads rows, which come as deltas. */
  readonly isLoading: boolean;
  /** The shard's incarnation, where it is not the followed one. Then nothing was carried. */
  readonly incarnation?: string;
}

/** The parts of a round that its steps change. */
interface Outcomes {
  rows: number;
  bytes: number;
  gaps: number;
  readonly failures: Map<number, Error>;
}

export class ShardSync {
  readonly #shard: ActorRef<EmbeddingShardMessage>;
  readonly #replicas: readonly ActorRef<ServingReplicaMessage>[];
  readonly #options: ShardSyncOptions;
  readonly #tracing: Tracing;
  /** Replicas that failed or missed a delta. They are filled before they get deltas again. */
  readonly #behind = new Set<number>();
  /** Replicas that began empty after deltas of a load were given. They are filled at its end. */
  readonly #begunLate = new Set<number>();
  #incarnation: string | undefined;
  #acknowledged: DeltaPosition | undefined;

  constructor(
    shard: ActorRef<EmbeddingShardMessage>,
    replicas: readonly ActorRef<ServingReplicaMessage>[],
    options: ShardSyncOptions,
    tracing: Tracing = noTracing,
  ) {
    this.#tracing = tracing;
    this.#shard = shard;
    this.#replicas = replicas;
    this.#options = options;
  }

  /** Incarnation of the shard whose rows go to the replicas; undefined before {@link follow}. */
  get incarnation(): string | undefined {
    return this.#incarnation;
  }

  /** Position of the newest delta that went to the replicas. */
  get acknowledged(): DeltaPosition | undefined {
    return this.#acknowledged;
  }

  /** Carries the rows of this incarnation of the shard from now on. */
  follow(incarnation: string): void {
    this.#incarnation = incarnation;
  }

  /**
   * Carries deltas until the shard has no more, at most `deltasPerRoundMax`.
   *
   * @param leftOut Replicas that get nothing in this round and are filled in a later one.
   */
  async round(leftOut: ReadonlySet<number> = new Set()): Promise<ShardRound> {
    for (const index of leftOut) this.#behind.add(index);
    const { deltaRowsMax, deltasPerRoundMax, budgetMs } = this.#options;
    const round = { deltas: 0, rows: 0, bytes: 0, gaps: 0, failures: new Map<number, Error>() };
    let drained = false;
    let loads = false;
    let begins = false;
    while (!drained && !begins && round.deltas < deltasPerRoundMax) {
      const answer = await this.#shard.ask({
        kind: "takeDelta",
        acknowledged: this.#acknowledged,
        rowsMax: deltaRowsMax,
      }, { budgetMs, bulk: true });
      const { delta, position, repeated, incarnation, isLoading = false } = answer;
      if (incarnation !== this.#incarnation) {
        const complete = this.#replicas.map(() => false);
        return { ...round, complete, isLoading, incarnation };
      }
      begins = answer.bringsAllRows ?? false;
      drained = !repeated;
      loads = isLoading;
      if (delta === undefined) {
        // Without deltas, only this check finds an absent or empty replica, and a new lineage.
        await this.#check(position, round);
      } else {
        round.deltas++;
        invariant(
          position.lineage !== this.#acknowledged?.lineage ||
            position.sequence === this.#acknowledged.sequence + 1,
          "deltas of a lineage follow each other",
        );
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
    if (!loads) {
      for (const index of this.#begunLate) this.#behind.add(index);
      this.#begunLate.clear();
    }
    for (const index of [...this.#behind]) {
      if (leftOut.has(index)) continue;
      if (loads || begins) await this.#beginEmpty(index, round);
      if (!loads && this.#behind.has(index)) await this.#fill(index, round);
    }
    const complete = this.#replicas.map((_, i) =>
      drained && !begins && !this.#behind.has(i) && !this.#begunLate.has(i)
    );
    return { ...round, complete, isLoading: loads };
  }

  async #carry(delta: Delta, round: Outcomes): Promise<void> {
    const { budgetMs } = this.#options;
    const { traces } = delta;
    const span = traces &&
      this.#tracing.begin("parameter_sync carry rows", { kind: "consumer", links: traces });
    await Promise.all(this.#replicas.map(async (replica, i) => {
      if (this.#behind.has(i)) return;
      try {
        const options = { budgetMs, bulk: true, trace: span?.context };
        const { status } = await replica.ask({ kind: "applyDelta", delta }, options);
        if (status === "applied" || status === "duplicate") return;
        round.gaps++;
        this.#behind.add(i);
      } catch (error) {
        round.failures.set(i, error as Error);
        this.#behind.add(i);
      }
    }));
    span?.end();
  }

  /** Compares the replicas' positions with the shard's. */
  async #check({ lineage, sequence }: DeltaPosition, round: Outcomes): Promise<void> {
    const { budgetMs } = this.#options;
    const known = lineage === this.#acknowledged?.lineage;
    await Promise.all(this.#replicas.map(async (replica, i) => {
      if (this.#behind.has(i)) return;
      try {
        const { position } = await replica.ask({ kind: "getPosition" }, { budgetMs });
        if (position?.lineage === lineage && position.sequence === sequence) return;
        if (known) round.gaps++;
      } catch (error) {
        round.failures.set(i, error as Error);
      }
      this.#behind.add(i);
    }));
  }

  /** Lets a replica without rows take the deltas from here on; one with rows stays behind. */
  async #beginEmpty(index: number, round: Outcomes): Promise<void> {
    const { budgetMs } = this.#options;
    const replica = this.#replicas[index];
    const position = present(this.#acknowledged, "a round has asked for the shard's position");
    try {
      const held = await replica.ask({ kind: "getPosition" }, { budgetMs });
      if (held.position !== undefined) return;
      await replica.ask({
        kind: "loadRows",
        class: 0,
        ids: new BigUint64Array(0),
        rows: new Float32Array(0),
        first: true,
        position,
      }, { budgetMs });
      this.#behind.delete(index);
      if (position.sequence > 0) this.#begunLate.add(index);
    } catch (error) {
      round.failures.set(index, error as Error);
    }
  }

  /** Replaces all rows of a replica by the shard's, page by page. */
  async #fill(index: number, round: Outcomes): Promise<void> {
    const { deltaRowsMax, budgetMs } = this.#options;
    const replica = this.#replicas[index];
    try {
      let cursor: ShardCursor | undefined;
      let begins: DeltaPosition | undefined;
      for (let done = false; !done;) {
        const page = await this.#shard.ask(
          {
            kind: "exportRows",
            rowsMax: deltaRowsMax,
            ...(cursor === undefined ? {} : { cursor }),
          },
          { budgetMs, bulk: true },
        );
        const first = begins === undefined;
        // Deltas continue from the first page's position. They may repeat changes that later pages
        // already hold, which is harmless: a delta holds whole rows.
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
        }, { budgetMs, bulk: true });
        round.rows += page.ids.length;
        round.bytes += page.ids.byteLength + page.rows.byteLength;
        cursor = page.cursor;
        done = page.done;
      }
      this.#behind.delete(index);
    } catch (error) {
      round.failures.set(index, error as Error);
    }
  }
}

/**
 * Carries one shard's deltas to one replica, in order and without gaps, and fills it where deltas
 * are missing: it was absent or restarted empty, or the shard began another lineage.
 *
 * A fill from a shard that still loads its rows would follow the load to its end, and one from a
 * shard that has just loaded many would take as long as the load. So a replica without rows begins
 * empty then, serves, and gets the loaded rows by deltas; a replica with earlier rows serves these,
 * and is filled when the shard has all its rows.
 */
import type { ActorRef, ReplyOf } from "../../mesh/runtime/actor.ts";
import { noTracing, type Tracing } from "../../mesh/ports/tracing.ts";
import type {
  Delta,
  DeltaPosition,
  EmbeddingShardMessage,
  ShardCursor,
  TakeDeltas,
} from "../embedding_shard/protocol.ts";
import type { ReplicaPosition, ServingReplicaMessage } from "../serving_replica/protocol.ts";

export interface ReplicaFeedParts {
  readonly shard: ActorRef<EmbeddingShardMessage>;
  readonly replica: ActorRef<ServingReplicaMessage>;
  /** Name of this taker of deltas. */
  readonly taker: string;
  readonly rowsMax: number;
  readonly budgetMs: number;
  readonly tracing?: Tracing;
}

/** The outcome of a step. */
export interface FeedStep {
  deltas: number;
  rows: number;
  bytes: number;
  gaps: number;
  /** Whether the replica has all rows of a moment after the step before. */
  isComplete: boolean;
  /** Whether the shard has nothing for the replica yet, and answers that at once. */
  waits: boolean;
}

type Taken = ReplyOf<TakeDeltas>;

export class ReplicaFeed {
  readonly #parts: ReplicaFeedParts;
  /** The replica's position, as the feed knows it; undefined where the replica has no rows. */
  #position: DeltaPosition | undefined;
  #isPositionKnown = false;
  /** Whether the replica's rows, or its position, are not to be trusted. */
  #needsFill = false;
  /** The replica began empty after deltas of a load were given. It is filled at the load's end. */
  #lacksRows = false;
  /** Incarnation of the shard whose rows the replica gets; undefined before the first. */
  #incarnation: string | undefined;
  /** The lineage that was followed last. */
  #lineage: string | undefined;
  #learnedThroughMs: number | undefined;
  /** The mark that the replica has; absent where the feed does not know. */
  #told: { readonly learnedThroughMs: number | undefined } | undefined;
  /** Ends the wait for the shard's answer; undefined where none is awaited. */
  #wake: (() => void) | undefined;

  constructor(parts: ReplicaFeedParts) {
    this.#parts = parts;
  }

  /** The mark of the replica's rows, ms; undefined before the first mark of this incarnation. */
  get learnedThroughMs(): number | undefined {
    return this.#learnedThroughMs;
  }

  /** Sequence of the newest delta that the replica has; 0 before the first. */
  get sequence(): number {
    return this.#position?.sequence ?? 0;
  }

  /** The replica has started. */
  replicaStarted(): void {
    this.#isPositionKnown = false;
    this.#told = undefined;
    this.#wake?.();
  }

  /** Waits for news from the shard and carries them. */
  async step(): Promise<FeedStep> {
    const step: FeedStep = {
      ...{ deltas: 0, rows: 0, bytes: 0, gaps: 0 },
      ...{ isComplete: false, waits: false },
    };
    if (!this.#isPositionKnown) {
      await this.#readPosition();
      this.#isPositionKnown = true;
    }
    const taken = await this.#take();
    if (taken === undefined) return step;
    if (taken.incarnation !== this.#incarnation) {
      await this.#lower();
      this.#incarnation = taken.incarnation;
    }
    if (taken.missed === true) await this.#begin(taken, step);
    else if (this.#lacksRows && taken.isLoading !== true) {
      await this.#fill(taken.position, step);
    } else if (
      taken.deltas.length > 0 ? await this.#carry(taken.deltas, step) : await this.#holds()
    ) {
      this.#raise(taken, step);
    }
    await this.#tellMark();
    return step;
  }

  /** Gives the replica its mark where it may have another one. */
  async #tellMark(): Promise<void> {
    const learnedThroughMs = this.#learnedThroughMs;
    if (this.#told !== undefined && this.#told.learnedThroughMs === learnedThroughMs) return;
    const { replica, budgetMs } = this.#parts;
    this.#told = undefined;
    const told = { learnedThroughMs };
    await replica.ask({ kind: "setMark", ...told }, { budgetMs });
    this.#told = told;
  }

  /** Undefined where the replica has started meanwhile. */
  async #take(): Promise<Taken | undefined> {
    const { shard, taker, rowsMax, budgetMs } = this.#parts;
    // A promise of this step alone: in a race, one that outlives it would keep the answer.
    const { promise, resolve, reject } = Promise.withResolvers<Taken | undefined>();
    this.#wake = () => resolve(undefined);
    // The shard keeps nothing for a taker, so an answer may be left unread.
    shard.ask({
      kind: "takeDeltas",
      taker,
      position: this.#needsFill ? undefined : this.#position,
      learnedThroughMs: this.#learnedThroughMs,
      rowsMax,
    }, { budgetMs, bulk: true }).then(resolve, reject);
    try {
      return await promise;
    } finally {
      this.#wake = undefined;
    }
  }

  /** The rows that the replica gets next may know less than its mark says. */
  async #lower(): Promise<void> {
    this.#learnedThroughMs = undefined;
    await this.#tellMark();
  }

  #raise({ learnedThroughMs, complete = false }: Taken, step: FeedStep): void {
    if (this.#lacksRows) return;
    step.isComplete = complete;
    if (learnedThroughMs === undefined) return;
    this.#learnedThroughMs = Math.max(learnedThroughMs, this.#learnedThroughMs ?? 0);
  }

  async #carry(deltas: readonly Delta[], step: FeedStep): Promise<boolean> {
    for (const delta of deltas) {
      if (!await this.#apply(delta)) {
        this.#needsFill = true;
        return false;
      }
      const { lineage, sequence } = delta;
      this.#position = { lineage, sequence };
      this.#lineage = lineage;
      step.deltas++;
      for (const changes of delta.classes) {
        if (changes === undefined) continue;
        const { ids, rows, tombstones } = changes;
        step.rows += ids.length;
        step.bytes += ids.byteLength + rows.byteLength + tombstones.byteLength;
      }
    }
    return true;
  }

  /** @returns Whether the replica has the delta. */
  async #apply(delta: Delta): Promise<boolean> {
    const { replica, budgetMs, tracing = noTracing } = this.#parts;
    const { traces } = delta;
    const span = traces &&
      tracing.begin("row_feed carry rows", { kind: "consumer", links: traces });
    try {
      const options = { budgetMs, bulk: true, trace: span?.context };
      const { status } = await replica.ask({ kind: "applyDelta", delta }, options);
      return status === "applied" || status === "duplicate";
    } finally {
      span?.end();
    }
  }

  async #askPosition(): Promise<ReplicaPosition> {
    const { replica, budgetMs } = this.#parts;
    return await replica.ask({ kind: "getPosition" }, { budgetMs });
  }

  async #readPosition(): Promise<void> {
    const { position, lacksRows = false } = await this.#askPosition();
    this.#position = position;
    this.#lacksRows = lacksRows;
  }

  /** Whether the replica still has the position that the feed knows. */
  async #holds(): Promise<boolean> {
    const { position } = await this.#askPosition();
    const { lineage, sequence } = this.#position ?? {};
    if (position?.lineage === lineage && position?.sequence === sequence) return true;
    this.#isPositionKnown = false;
    this.#told = undefined;
    return false;
  }

  /** No delta follows the replica's rows. */
  async #begin(
    { position, isLoading, bringsAllRows = false }: Taken,
    step: FeedStep,
  ): Promise<void> {
    if (!isLoading && !bringsAllRows) return await this.#fill(position, step);
    // The replica may have got or lost rows since the feed asked.
    await this.#readPosition();
    if (this.#position === undefined) await this.#beginEmpty(position, bringsAllRows);
    else if (isLoading) step.waits = true;
    else await this.#fill(position, step);
  }

  async #beginEmpty(position: DeltaPosition, bringsAllRows: boolean): Promise<void> {
    const { replica, budgetMs } = this.#parts;
    await this.#lower();
    await replica.ask({
      kind: "loadRows",
      class: 0,
      ids: new BigUint64Array(0),
      rows: new Float32Array(0),
      first: true,
      position,
      lacksRows: !bringsAllRows,
    }, { budgetMs });
    this.#goOnAt(position);
    this.#lacksRows = !bringsAllRows;
  }

  /** Replaces all rows of the replica by the shard's, page by page. */
  async #fill({ lineage }: DeltaPosition, step: FeedStep): Promise<void> {
    const { shard, replica, rowsMax, budgetMs } = this.#parts;
    if (this.#lineage === lineage && !this.#lacksRows) step.gaps++;
    this.#needsFill = true;
    this.#told = undefined; // a replica that has restarted has no mark
    let cursor: ShardCursor | undefined;
    let begins: DeltaPosition | undefined;
    for (let done = false; !done;) {
      const page = await shard.ask(
        { kind: "exportRows", rowsMax, ...(cursor && { cursor }) },
        { budgetMs, bulk: true },
      );
      const first = begins === undefined;
      // Deltas continue from the first page's position. They may repeat changes that later pages
      // already hold, which is harmless: a delta holds whole rows.
      begins ??= page.position;
      if (page.position.lineage !== lineage) {
        throw new Error("the shard began another lineage before all its rows were read");
      }
      await replica.ask({
        kind: "loadRows",
        class: page.class,
        ids: page.ids,
        rows: page.rows,
        first,
        ...(page.done && { position: begins }),
      }, { budgetMs, bulk: true });
      step.rows += page.ids.length;
      step.bytes += page.ids.byteLength + page.rows.byteLength;
      cursor = page.cursor;
      done = page.done;
      if (done) this.#goOnAt(begins);
    }
  }

  /** The replica has all rows that it gets up to this position. */
  #goOnAt(position: DeltaPosition): void {
    this.#position = position;
    this.#lineage = position.lineage;
    this.#needsFill = this.#lacksRows = false;
  }
}

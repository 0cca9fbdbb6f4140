/**
 * A row feed's behaviour: it keeps the replicas of its serving host up to date, each from its own
 * position in the deltas of its shard, and tells the scorer how fresh they are. No other serving
 * host waits for it, and it waits for none.
 *
 * Freshness: a shard gives its acceptance mark with the rows that the mark is of. The mark of the
 * host is the lowest of its replicas. A replica has none, and the scorer is told 0, before it takes
 * rows of another incarnation of its shard.
 *
 * After a change of the number of shards the feed fills the new replicas beside the old ones, and
 * offers them to the scorer when each has a mark.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import { FeedFigures } from "./feed_figures.ts";
import type { RowFeedOptions } from "./options.ts";
import type { RowFeedMessage } from "./protocol.ts";
import { ReplicaFeed } from "./replica_feed.ts";

/** Time between two marks that have not risen, ms. */
const QUIET_MS = 1_000;

export class RowFeed implements Behavior<RowFeedMessage> {
  readonly #context: ActorContext<RowFeedMessage>;
  readonly #options: RowFeedOptions;
  readonly #feeds: readonly ReplicaFeed[];
  readonly #scorer: ActorRef<ScorerMessage>;
  readonly #figures: FeedFigures;
  readonly #warnings: LimitedWarnings;
  /** The mark that was sent to the scorer last; -1 where it may not have that. */
  #told = -1;

  constructor(context: ActorContext<RowFeedMessage>, options: RowFeedOptions) {
    this.#context = context;
    this.#options = options;
    const { rowsMax, budgetMs } = options;
    this.#feeds = options.replicas.map(({ shard, replica }) =>
      new ReplicaFeed({
        shard: context.actorRef(shard),
        replica: context.actorRef(replica),
        taker: context.self.address,
        rowsMax,
        budgetMs,
        tracing: context.tracing,
        lowered: () => this.#tellScorer(),
      })
    );
    this.#scorer = context.actorRef<ScorerMessage>(options.scorer);
    this.#figures = new FeedFigures(context, options.replicas.length);
    this.#warnings = new LimitedWarnings(context.clock, context.telemetry);
    context.schedule(0, { kind: "begin" });
  }

  receive(message: RowFeedMessage): void {
    switch (message.kind) {
      case "begin":
        this.#feeds.forEach((_, index) => void this.#follow(index));
        return this.receive({ kind: "tellScorer" });
      case "tellScorer":
        void this.#tryToTell();
        return void this.#context.schedule(QUIET_MS, { kind: "tellScorer" });
      case "servingStarted": {
        if (message.part === this.#scorer.address) return void this.#tryToTell();
        const { replicas } = this.#options;
        this.#feeds[replicas.findIndex(({ replica }) => replica === message.part)]
          ?.replicaStarted();
        return;
      }
      case "getStatus":
        return this.#context.reply(message, {
          learnedThroughMs: this.#learnedThroughMs,
          ...this.#figures.totals,
          sequences: this.#feeds.map(({ sequence }) => sequence),
        });
      default:
        message satisfies never;
    }
  }

  /** Keeps a replica up to date for as long as this incarnation lives. */
  async #follow(index: number): Promise<void> {
    const feed = this.#feeds[index];
    const { replica } = this.#options.replicas[index];
    while (this.#context.isCurrent) {
      try {
        const step = await feed.step();
        this.#figures.count(index, step);
        if (step.hasRisen && this.#learnedThroughMs > this.#told) void this.#tryToTell();
        if (step.waits) await this.#context.pause(this.#options.retryMs);
      } catch (error) {
        if (!this.#context.isCurrent) return;
        this.#warnings.warn(`${replica} is not up to date`, error);
        await this.#context.pause(this.#options.retryMs).catch(() => {});
      }
    }
  }

  /** The acceptance mark that all replicas have reached; 0 where one has none. */
  get #learnedThroughMs(): number {
    return Math.min(...this.#feeds.map((feed) => feed.learnedThroughMs ?? 0));
  }

  async #tryToTell(): Promise<void> {
    try {
      await this.#tellScorer();
    } catch (error) {
      if (!this.#context.isCurrent) return;
      this.#warnings.warn(`${this.#scorer.address} does not get its mark`, error);
    }
  }

  /**
   * Tells the scorer the mark of its replicas, and offers them where it uses those of an earlier
   * sharding.
   */
  async #tellScorer(): Promise<void> {
    const { budgetMs, sharding } = this.#options;
    const learnedThroughMs = this.#learnedThroughMs;
    const before = this.#told;
    this.#told = learnedThroughMs;
    try {
      const message = { kind: "setFreshness", sharding, learnedThroughMs } as const;
      const served = await this.#scorer.ask(message, { budgetMs });
      if (served.sharding < sharding) await this.#offerReplicas();
    } catch (error) {
      this.#told = -1;
      throw error;
    }
    if (learnedThroughMs <= Math.max(before, 0)) return;
    this.#figures.served(this.#context.clock.nowMs() - learnedThroughMs);
  }

  async #offerReplicas(): Promise<void> {
    if (this.#feeds.some((feed) => feed.learnedThroughMs === undefined)) return;
    const { budgetMs, sharding, replicas } = this.#options;
    await this.#scorer.ask({
      kind: "changeReplicas",
      sharding,
      replicas: replicas.map(({ replica }) => [replica]),
      learnedThroughMs: this.#learnedThroughMs,
    }, { budgetMs });
  }
}

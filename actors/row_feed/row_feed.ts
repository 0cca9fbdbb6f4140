/**
 * A row feed's behaviour: it keeps the replicas of its serving host up to date, each from its own
 * position in the deltas of its shard, and tells them how fresh they are. No other serving
 * host waits for it, and it waits for none.
 *
 * Freshness: a shard gives its acceptance mark with the rows that the mark is of, and the replica
 * answers lookups with it. A replica has none before it takes rows of another incarnation of its
 * shard.
 *
 * After a change of the number of shards the feed fills the new replicas beside the old ones, and
 * offers the new ones to the scorer when those of this host have marks.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import { FeedFigures } from "./feed_figures.ts";
import type { RowFeedOptions } from "./options.ts";
import type { RowFeedMessage } from "./protocol.ts";
import { ReplicaFeed } from "./replica_feed.ts";

/** Time between two offers of replicas that the scorer has taken, and may have lost, ms. */
const OFFER_MS = 1_000;
/** Time between two offers that the scorer has not taken yet, ms. */
const OFFER_AGAIN_MS = 100;

export class RowFeed implements Behavior<RowFeedMessage> {
  readonly #context: ActorContext<RowFeedMessage>;
  readonly #options: RowFeedOptions;
  readonly #feeds: readonly ReplicaFeed[];
  readonly #scorer: ActorRef<ScorerMessage>;
  readonly #figures: FeedFigures;
  readonly #warnings: LimitedWarnings;
  #learnedBeforeMs = 0;

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
        return this.receive({ kind: "offerReplicas" });
      case "offerReplicas":
        return void this.#keepOffering();
      case "servingStarted": {
        if (message.part === this.#scorer.address) return void this.#offerReplicas();
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
    const { replica, shard } = this.#options.replicas[index];
    const { retryMs } = this.#options;
    while (this.#context.isCurrent) {
      try {
        // At the first start of a mesh it has no host yet.
        if (!this.#context.knows(shard)) {
          await this.#context.pause(retryMs);
          continue;
        }
        const step = await feed.step();
        this.#figures.count(index, step);
        this.#noteFreshness();
        if (step.waits) await this.#context.pause(retryMs);
      } catch (error) {
        if (!this.#context.isCurrent) return;
        this.#warnings.warn(`${replica} is not up to date`, error);
        await this.#context.pause(retryMs).catch(() => {});
      }
    }
  }

  #noteFreshness(): void {
    const learnedThroughMs = this.#learnedThroughMs;
    if (learnedThroughMs > this.#learnedBeforeMs) {
      this.#figures.served(this.#context.clock.nowMs() - learnedThroughMs);
    }
    this.#learnedBeforeMs = learnedThroughMs;
  }

  /** The acceptance mark that all replicas have reached; 0 where one has none. */
  get #learnedThroughMs(): number {
    return Math.min(...this.#feeds.map((feed) => feed.learnedThroughMs ?? 0));
  }

  /** Offers the replicas again soon until the scorer has taken them. */
  async #keepOffering(): Promise<void> {
    const isTaken = await this.#offerReplicas();
    if (!this.#context.isCurrent) return;
    this.#context.schedule(isTaken ? OFFER_MS : OFFER_AGAIN_MS, { kind: "offerReplicas" });
  }

  /**
   * Offers the scorer the replicas of this sharding; it takes them once.
   *
   * @returns Whether the scorer uses them.
   */
  async #offerReplicas(): Promise<boolean> {
    const { budgetMs, sharding, asked: replicas } = this.#options;
    // Without marks the scorer would refuse them.
    if (this.#feeds.some((feed) => feed.learnedThroughMs === undefined)) return false;
    try {
      const offer = { kind: "changeReplicas", sharding, replicas } as const;
      const used = await this.#scorer.ask(offer, { budgetMs });
      return used.sharding >= sharding;
    } catch (error) {
      if (!this.#context.isCurrent) return false;
      this.#warnings.warn(`${this.#scorer.address} does not take other replicas`, error);
      return false;
    }
  }
}

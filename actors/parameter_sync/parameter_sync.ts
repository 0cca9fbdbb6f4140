/**
 * Parameter sync's behaviour. It tells the shards every `rowsIntervalMs` what the trainers have
 * learned, and carries dense weights to the scorers every `denseIntervalMs`. The dense weights of
 * several trainers are their mean, made every `averageIntervalMs`.
 *
 * Freshness: the acceptance mark, the minimum over the trainers, is read before the shards are told
 * it. So each of them has applied every event up to it, and gives the mark with these rows to the
 * serving hosts, which parameter sync does not know. A mark is of the incarnations of the shards
 * that all trainers name: one that has restarted takes it for nothing. Dense weights are synced
 * separately and not covered; every answer names their version.
 *
 * While no trainer learns, a round comes once a second, for shards and scorers that have moved or
 * restarted ({@link Rounds}). A trainer that learns again, and a scorer that starts, say so. No
 * round waits for a scorer.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import type { Gauge } from "../../mesh/ports/telemetry.ts";
import { present } from "../../structures/invariant.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import type { LearnedWeights, TrainerMessage } from "../trainer/protocol.ts";
import { AcceptanceMarks } from "./acceptance_marks.ts";
import type { ParameterSyncOptions } from "./options.ts";
import type { ParameterSyncMessage, SyncStatus } from "./protocol.ts";
import { Rounds } from "./rounds.ts";
import { WeightAveraging } from "./weight_averaging.ts";
import { WeightTransfers } from "./weight_transfers.ts";

/** Longest time between two rounds to all shards and scorers while trainers learn, ms. */
const ALL_PARTS_MS = 1_000;

export class ParameterSync implements Behavior<ParameterSyncMessage> {
  readonly #context: ActorContext<ParameterSyncMessage>;
  readonly #options: ParameterSyncOptions;
  readonly #shards: readonly ActorRef<EmbeddingShardMessage>[];
  readonly #acceptanceMarks: AcceptanceMarks;
  readonly #trainers: readonly ActorRef<TrainerMessage>[];
  /** Undefined with one trainer, whose own weights are served. */
  readonly #averaging: WeightAveraging | undefined;
  readonly #transfers: WeightTransfers;
  /** The one trainer's last answer; undefined before the first. */
  #offer: LearnedWeights | undefined;
  /** {@link AcceptanceMarks.changes} when it was asked for. */
  #offeredAt = -1;
  /** The trainer's version of the weights carried last. */
  #carriedVersion = -1;
  readonly #warnings: LimitedWarnings;
  readonly #denseCarried: Gauge;
  #denseVersion = 0;
  readonly #rounds: Rounds;
  #isLeased = true;
  /** When the last round to all parts began, on the monotonic clock, ms. */
  #roundAtMs = -Infinity;
  /** {@link AcceptanceMarks.changes} when the shards were told the marks. */
  #toldAt = -1;

  constructor(
    context: ActorContext<ParameterSyncMessage>,
    options: ParameterSyncOptions,
  ) {
    this.#context = context;
    this.#options = options;
    this.#shards = options.shards.map((address) => context.actorRef(address));
    this.#warnings = new LimitedWarnings(context.clock, context.telemetry);
    const { budgetMs } = options;
    const scorers = options.scorers.map((address) => context.actorRef<ScorerMessage>(address));
    const parts = { context, budgetMs, warnings: this.#warnings };
    this.#transfers = new WeightTransfers(scorers, parts);
    this.#trainers = options.trainers.map((address) => context.actorRef(address));
    this.#acceptanceMarks = new AcceptanceMarks(this.#trainers, options.dealing, parts);
    this.#averaging = this.#trainers.length > 1
      ? new WeightAveraging(this.#trainers, budgetMs)
      : undefined;
    this.#denseCarried = context.telemetry.gauge("cairn_sync_dense_version", {
      help: "Version of the dense weights that the scorers are given.",
    });
    this.#rounds = new Rounds(context, {
      tellMarks: options.rowsIntervalMs,
      syncDense: options.denseIntervalMs,
      averageDense: options.averageIntervalMs,
    });
    // Weights first: a scorer answers nothing before it has them.
    if (this.#averaging !== undefined) this.#rounds.begin("averageDense");
    this.#rounds.begin("syncDense");
    this.#rounds.begin("tellMarks");
  }

  async receive(message: ParameterSyncMessage): Promise<void> {
    switch (message.kind) {
      case "tellMarks":
        await this.#tellMarks();
        return this.#rounds.next(message.kind);
      case "averageDense":
        if (this.#isLeased) await this.#averageDense();
        return this.#rounds.next(message.kind);
      case "syncDense":
        await this.#guarded("dense weights", () => this.#syncDense());
        return this.#rounds.next(message.kind);
      case "servingStarted":
        this.#transfers.check({ all: true });
        return this.#rounds.hasten();
      case "trainerLearned":
        return this.#rounds.hasten();
      case "setLeased":
        this.#isLeased = message.isLeased;
        return;
      case "getStatus":
        return this.#context.reply(message, this.#status());
      default:
        message satisfies never;
    }
  }

  #status(): SyncStatus {
    const { learnedThroughMs } = this.#acceptanceMarks;
    return { learnedThroughMs, denseVersion: this.#denseVersion };
  }

  async #tellMarks(): Promise<void> {
    const beganMs = this.#context.clock.monotonicMs();
    const isDue = this.#rounds.areQuiet || beganMs - this.#roundAtMs >= ALL_PARTS_MS;
    // Before anything that can wait for trainers: a scorer that restarted needs weights.
    this.#transfers.check({ all: isDue });
    if (!this.#isLeased) return;
    await this.#readAcceptanceMarks();
    const { changes, learnedThroughMs: throughMs } = this.#acceptanceMarks;
    if (!isDue && changes === this.#toldAt) return;
    this.#roundAtMs = beganMs;
    this.#toldAt = changes;
    this.#shards.forEach((shard, number) => {
      const incarnation = this.#acceptanceMarks.incarnationOf(number);
      shard.tell({ kind: "learned", throughMs, incarnation });
    });
  }

  async #readAcceptanceMarks(): Promise<void> {
    await this.#acceptanceMarks.read();
    if (this.#acceptanceMarks.areNewest && this.#transfers.areNewest) this.#rounds.calm();
    else this.#rounds.hasten();
  }

  async #averageDense(): Promise<void> {
    const averaging = present(this.#averaging, "only several trainers are averaged");
    for (const error of await averaging.round(this.#transfers.served.version)) {
      this.#warnings.warn("a trainer was left out of a mean of dense weights", error);
    }
    if (averaging.mean !== this.#transfers.carried?.weights) this.#rounds.hasten();
  }

  /** Another host may carry weights from here on; the gauge says what is carried. */
  stop(): void {
    this.#denseCarried.set(0);
  }

  /** The weights to serve; undefined before the first mean. */
  async #denseWeights(): Promise<LearnedWeights | undefined> {
    if (this.#averaging !== undefined) {
      const { mean } = this.#averaging;
      return mean && { weights: mean, learnedThroughMs: this.#acceptanceMarks.learnedThroughMs };
    }
    const { budgetMs, rowsIntervalMs, denseIntervalMs } = this.#options;
    const [trainer] = this.#trainers;
    // The rounds of rows read the marks, unless they are rarer.
    if (rowsIntervalMs > denseIntervalMs) await this.#readAcceptanceMarks();
    const { changes } = this.#acceptanceMarks;
    if (this.#offer === undefined || this.#offeredAt !== changes) {
      this.#offer = await trainer.ask({ kind: "getDenseWeights" }, { budgetMs, bulk: true });
      this.#offeredAt = changes;
    }
    return this.#toCarry(this.#offer);
  }

  /**
   * Weights of a trainer that went back to a snapshot have earlier versions than those served. They
   * take their place, under a later one, when they have learned as far.
   */
  #toCarry(offer: LearnedWeights): LearnedWeights {
    const { carried, served } = this.#transfers;
    const { weights: { version, parameters }, learnedThroughMs } = offer;
    const carriedVersion = carried?.weights.version ?? -1;
    const newest = Math.max(carriedVersion, served.version);
    if (carried !== undefined && version <= newest) {
      const isServed = carriedVersion === newest;
      if (isServed && version === this.#carriedVersion) return carried;
      const { learnedThroughMs: throughMs } = isServed ? carried : served;
      // Without a lease another host may carry newer ones.
      if (learnedThroughMs < throughMs || !this.#isLeased) return carried;
    }
    this.#carriedVersion = version;
    if (carried === undefined || version > newest) return offer;
    return { weights: { version: newest + 1, parameters }, learnedThroughMs };
  }

  async #syncDense(): Promise<void> {
    const learned = await this.#denseWeights();
    if (learned === undefined) return;
    this.#transfers.carry(learned);
    this.#denseVersion = learned.weights.version;
    this.#denseCarried.set(this.#denseVersion);
  }

  /** Work that fails is retried at the next interval. */
  async #guarded(subject: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#warnings.warn(`syncing ${subject} failed and is retried`, error);
    }
  }
}

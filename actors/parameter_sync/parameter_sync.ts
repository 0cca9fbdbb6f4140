/**
 * Parameter sync's behaviour. Changed rows go to the replicas every `rowsIntervalMs`, dense weights
 * to the scorers every `denseIntervalMs`. The dense weights of several trainers are their mean,
 * made every `averageIntervalMs`.
 *
 * Freshness: `learnedThroughMs`, the minimum over the trainers, is read before the deltas of a
 * round. Once these deltas are on all replicas of a serving host, every row changed by events up to
 * it is served there, and it is published to the scorer of that host: a host that is away or slow
 * holds back its own mark alone. When a shard restarts it is reset to 0 before the replicas take
 * the shard's rows, and rises again after every trainer has reported the new incarnation. Dense
 * weights are synced separately and not covered; every answer names their version.
 *
 * While no trainer learns, a round ends after their status was read, and every `QUIET_MS` it goes
 * on to shards and serving hosts: rows may expire there, and parts may have restarted. A serving
 * part that starts asks for a round.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";
import type { TrainerMessage } from "../trainer/protocol.ts";
import { AcceptanceMarks } from "./acceptance_marks.ts";
import { LimitedWarnings } from "./limited_warnings.ts";
import type { ParameterSyncOptions } from "./options.ts";
import type {
  AverageDense,
  ParameterSyncMessage,
  SyncDense,
  SyncRows,
  SyncStatus,
} from "./protocol.ts";
import { type ShardRound, ShardSync } from "./shard_sync.ts";
import { SyncFigures } from "./sync_figures.ts";
import { WeightAveraging } from "./weight_averaging.ts";

/** Longest time between two rounds to all shards and serving hosts, ms. */
const QUIET_MS = 1_000;

export class ParameterSync implements Behavior<ParameterSyncMessage> {
  readonly #context: ActorContext<ParameterSyncMessage>;
  readonly #options: ParameterSyncOptions;
  readonly #shards: readonly ShardSync[];
  readonly #acceptanceMarks: AcceptanceMarks;
  /** The trainers of the newest dealing, as {@link #acceptanceMarks} knows them. */
  #trainers: readonly ActorRef<TrainerMessage>[];
  /** Undefined with one trainer, whose own weights are served. */
  #averaging: WeightAveraging | undefined;
  /** Whether a round of averaging is scheduled. */
  #averages = false;
  readonly #scorers: readonly ActorRef<ScorerMessage>[];
  /** The dense version that each scorer serves; -1 = unknown. */
  readonly #scorerVersions: number[];
  /** The newest weights from the trainers, for a scorer that restarts while they are away. */
  #carried: DenseWeights | undefined;
  /** {@link AcceptanceMarks.changes} when these weights were asked for. */
  #carriedAt = -1;
  readonly #figures: SyncFigures;
  readonly #warnings: LimitedWarnings;
  /** The acceptance mark of each serving host. */
  readonly #learnedThroughMs: number[];
  /** Serving hosts that may still publish the acceptance mark of rows that a shard has lost. */
  readonly #unaware = new Set<number>();
  /** When the last round to all parts began, on the monotonic clock, ms. */
  #roundAtMs = -Infinity;
  /**
   * {@link AcceptanceMarks.changes} when a round began that found nothing to carry. -1 after one
   * that carried changes, or that did not reach every part.
   */
  #settledAt = -1;
  /** A serving part has started since the last round to all parts. */
  #servingStarted = false;
  /** Serving hosts whose replicas had all rows in the last round. */
  readonly #whole = new Set<number>();

  constructor(
    context: ActorContext<ParameterSyncMessage>,
    options: ParameterSyncOptions,
  ) {
    this.#context = context;
    this.#options = options;
    this.#shards = options.shards.map((address, shard) =>
      new ShardSync(
        context.actorRef<EmbeddingShardMessage>(address),
        options.replicas[shard].map((replica) => context.actorRef<ServingReplicaMessage>(replica)),
        options,
        context.tracing,
      )
    );
    this.#scorers = options.scorers.map((address) => context.actorRef<ScorerMessage>(address));
    this.#scorerVersions = options.scorers.map(() => -1);
    this.#learnedThroughMs = options.scorers.map(() => 0);
    this.#warnings = new LimitedWarnings(context.clock, context.telemetry);
    const { budgetMs } = options;
    const marksParts = { context, budgetMs, warnings: this.#warnings };
    this.#acceptanceMarks = new AcceptanceMarks(options.trainers, marksParts);
    this.#trainers = this.#acceptanceMarks.trainers;
    this.#averaging = this.#trainers.length > 1
      ? new WeightAveraging(this.#trainers, budgetMs)
      : undefined;
    this.#figures = new SyncFigures(context.telemetry);
    // Rows last: they publish freshness, which must not precede the first learned dense weights.
    this.#beginAveraging();
    context.schedule(0, { kind: "syncDense" });
    context.schedule(0, { kind: "syncRows" });
  }

  async receive(message: ParameterSyncMessage): Promise<void> {
    switch (message.kind) {
      case "syncRows":
        await this.#guarded("rows", () => this.#syncRows());
        this.#scheduleNext(this.#options.rowsIntervalMs, message);
        return;
      case "averageDense":
        // With one trainer the rounds end; a later dealing begins them again.
        this.#averages = this.#averaging !== undefined;
        if (this.#averaging === undefined) return;
        await this.#averageDense(this.#averaging);
        this.#scheduleNext(this.#options.averageIntervalMs, message);
        return;
      case "syncDense":
        await this.#guarded("dense weights", () => this.#syncDense());
        this.#scheduleNext(this.#options.denseIntervalMs, message);
        return;
      case "servingStarted":
        this.#servingStarted = true;
        return;
      case "getStatus":
        return this.#context.reply(message, this.#status());
      default:
        message satisfies never;
    }
  }

  /**
   * Schedules the next round at a common moment, a multiple of its interval on the wall clock, so
   * that rounds of one interval share a wake-up of the thread. The pause is at least half of the
   * interval.
   */
  #scheduleNext(intervalMs: number, message: SyncRows | SyncDense | AverageDense): void {
    const nowMs = this.#context.clock.nowMs();
    const atMs = intervalMs * Math.ceil(nowMs / intervalMs + 0.5);
    this.#context.schedule(atMs - nowMs, message);
  }

  #status(): SyncStatus {
    return {
      learnedThroughMs: this.#learnedByAll,
      ...this.#figures.totals,
      sequences: this.#shards.map((shard) => shard.acknowledged?.sequence ?? 0),
    };
  }

  async #syncRows(): Promise<void> {
    const beganMs = this.#context.clock.monotonicMs();
    const isDue = this.#servingStarted || beganMs - this.#roundAtMs >= QUIET_MS;
    // Before anything that can wait for trainers or shards: a scorer that restarted needs weights.
    if (isDue || !this.#knowsScorers) await this.#serveFreshness();
    await this.#readAcceptanceMarks();
    const { changes } = this.#acceptanceMarks;
    if (!isDue && changes === this.#settledAt) return;
    this.#roundAtMs = beganMs;
    this.#servingStarted = false;
    this.#settledAt = -1;
    let rounds = await this.#round();
    if (rounds.some(({ incarnation }) => incarnation !== undefined)) {
      this.#learnedThroughMs.fill(0);
      this.#scorers.forEach((_, host) => this.#unaware.add(host));
      await this.#serveFreshness();
      rounds.forEach(({ incarnation }, shard) => {
        if (incarnation !== undefined) this.#shards[shard].follow(incarnation);
      });
      rounds = await this.#round();
    }
    const isComplete = rounds.every(({ complete }) => complete.every(Boolean));
    const isSettled = isComplete && this.#knowsScorers &&
      rounds.every(({ deltas, isLoading }) => deltas === 0 && !isLoading);
    if (isSettled) this.#settledAt = changes;
    this.#figures.roundEnded(this.#context.clock.monotonicMs() - beganMs, isComplete);
    const incarnations = this.#shards.map(({ incarnation }) => incarnation);
    const isKnown = this.#acceptanceMarks.areOf(incarnations);
    this.#scorers.forEach((_, host) => {
      if (isKnown && rounds.every(({ complete }) => complete[host])) this.#whole.add(host);
      else this.#whole.delete(host);
    });
    if (!isKnown) return;
    // The acceptance mark of a restarted trainer goes back; the rows that it had changed do not.
    const learned = this.#acceptanceMarks.learnedThroughMs;
    const before = this.#learnedByAll;
    let hasRisen = false;
    this.#learnedThroughMs.forEach((mark, host) => {
      if (learned <= mark || !this.#whole.has(host)) return;
      this.#learnedThroughMs[host] = learned;
      hasRisen = true;
    });
    // The scorers have been told the other marks.
    if (!hasRisen) return;
    await this.#serveFreshness();
    if (this.#learnedByAll <= before) return;
    this.#figures.served(this.#context.clock.nowMs() - this.#learnedByAll);
  }

  /** Whether every scorer has weights, and the mark of its host. */
  get #knowsScorers(): boolean {
    return this.#unaware.size === 0 && this.#scorerVersions.every((version) => version >= 0);
  }

  /** The acceptance mark that all serving hosts have reached. */
  get #learnedByAll(): number {
    return Math.min(...this.#learnedThroughMs);
  }

  async #round(): Promise<ShardRound[]> {
    const rounds = await Promise.all(this.#shards.map((shard) => shard.round(this.#unaware)));
    for (const round of rounds) this.#count(round);
    return rounds;
  }

  /** Publishes the acceptance marks; a scorer that does not answer gets the next ones. */
  async #serveFreshness(): Promise<void> {
    const { budgetMs } = this.#options;
    await Promise.all(this.#scorers.map(async (scorer, i) => {
      const learnedThroughMs = this.#learnedThroughMs[i];
      const { sharding } = this.#options;
      const message = { kind: "setFreshness", sharding, learnedThroughMs } as const;
      try {
        const served = await scorer.ask(message, { budgetMs });
        const { modelVersion, weightsLoaded } = served;
        this.#unaware.delete(i);
        if (served.sharding < sharding && this.#whole.has(i)) await this.#offerReplicas(i);
        this.#scorerVersions[i] = weightsLoaded ? modelVersion : -1;
        if (!weightsLoaded && this.#carried !== undefined) await this.#loadDense(i, this.#carried);
      } catch (error) {
        this.#scorerVersions[i] = -1;
        this.#warnings.warn(`${scorer.address} does not get marks and weights`, error);
      }
    }));
  }

  /** Offers the replicas of this sharding to a scorer that uses those of an earlier one. */
  async #offerReplicas(host: number): Promise<void> {
    const { budgetMs, sharding, replicas } = this.#options;
    await this.#scorers[host].ask({
      kind: "changeReplicas",
      sharding,
      replicas: replicas.map((each) => [each[host]]),
      learnedThroughMs: this.#learnedThroughMs[host],
    }, { budgetMs });
  }

  /** Reads the acceptance marks, and averages the trainers of a later dealing from then on. */
  async #readAcceptanceMarks(): Promise<void> {
    await this.#acceptanceMarks.read();
    const { trainers } = this.#acceptanceMarks;
    if (trainers === this.#trainers) return;
    this.#trainers = trainers;
    this.#averaging = trainers.length > 1
      ? new WeightAveraging(trainers, this.#options.budgetMs, this.#carried)
      : undefined;
    this.#beginAveraging();
  }

  /** Begins the rounds of averaging where there are several trainers, unless they are under way. */
  #beginAveraging(): void {
    if (this.#averaging === undefined || this.#averages) return;
    this.#averages = true;
    this.#context.schedule(0, { kind: "averageDense" });
  }

  async #averageDense(averaging: WeightAveraging): Promise<void> {
    for (const error of await averaging.round()) {
      this.#warnings.warn("a trainer was left out of a mean of dense weights", error);
    }
  }

  /** The weights to serve; undefined before the first mean. */
  async #denseWeights(): Promise<DenseWeights | undefined> {
    if (this.#averaging !== undefined) return this.#averaging.mean;
    const { budgetMs, rowsIntervalMs, denseIntervalMs } = this.#options;
    const [trainer] = this.#trainers;
    // The rounds of rows read the marks, unless they are rarer.
    if (rowsIntervalMs > denseIntervalMs) await this.#readAcceptanceMarks();
    const { changes } = this.#acceptanceMarks;
    if (this.#carried !== undefined && this.#carriedAt === changes) return this.#carried;
    const message = { kind: "getDenseWeights" } as const;
    const { weights } = await trainer.ask(message, { budgetMs, bulk: true });
    this.#carriedAt = changes;
    return weights;
  }

  async #syncDense(): Promise<void> {
    const weights = await this.#denseWeights();
    if (weights === undefined) return;
    this.#carried = weights;
    await Promise.all(this.#scorers.map(async ({ address }, i) => {
      if (this.#scorerVersions[i] >= weights.version) return;
      await this.#loadDense(i, weights).catch((error) => {
        this.#warnings.warn(`${address} does not get marks and weights`, error);
      });
    }));
    this.#figures.denseServed(weights.version);
  }

  async #loadDense(scorer: number, weights: DenseWeights): Promise<void> {
    const { budgetMs } = this.#options;
    const message = { kind: "loadDenseWeights", weights } as const;
    const { version } = await this.#scorers[scorer].ask(message, { budgetMs, bulk: true });
    this.#scorerVersions[scorer] = version;
  }

  #count(round: ShardRound): void {
    this.#figures.count(round);
    for (const [host, failure] of round.failures) {
      this.#warnings.warn(`replicas of ${this.#scorers[host].address} are not up to date`, failure);
    }
  }

  /** Work that fails is retried at the next interval: only applied deltas are acknowledged. */
  async #guarded(subject: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#warnings.warn(`syncing ${subject} failed and is retried`, error);
    }
  }
}

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
 * While no trainer learns, a round ends after their marks were read, and every `QUIET_MS` it goes
 * on to shards and scorers, which may have moved or restarted. A scorer that starts asks for its
 * weights. No round waits for a scorer.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import { LimitedWarnings } from "../../mesh/runtime/limited_warnings.ts";
import type { Gauge } from "../../mesh/ports/telemetry.ts";
import type { DenseWeights } from "../../kernels/dense/weights.ts";
import type { EmbeddingShardMessage } from "../embedding_shard/protocol.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import type { TrainerMessage } from "../trainer/protocol.ts";
import { AcceptanceMarks } from "./acceptance_marks.ts";
import type { ParameterSyncOptions } from "./options.ts";
import type {
  AverageDense,
  ParameterSyncMessage,
  SyncDense,
  SyncStatus,
  TellMarks,
} from "./protocol.ts";
import { WeightAveraging } from "./weight_averaging.ts";
import { WeightTransfers } from "./weight_transfers.ts";

/** Longest time between two rounds to all shards and scorers, ms. */
const QUIET_MS = 1_000;

export class ParameterSync implements Behavior<ParameterSyncMessage> {
  readonly #context: ActorContext<ParameterSyncMessage>;
  readonly #options: ParameterSyncOptions;
  readonly #shards: readonly ActorRef<EmbeddingShardMessage>[];
  readonly #acceptanceMarks: AcceptanceMarks;
  /** The trainers of the newest dealing, as {@link #acceptanceMarks} knows them. */
  #trainers: readonly ActorRef<TrainerMessage>[];
  /** Undefined with one trainer, whose own weights are served. */
  #averaging: WeightAveraging | undefined;
  /** Whether a round of averaging is scheduled. */
  #averages = false;
  readonly #transfers: WeightTransfers;
  /** {@link AcceptanceMarks.changes} when the weights carried last were asked for. */
  #carriedAt = -1;
  readonly #warnings: LimitedWarnings;
  readonly #denseCarried: Gauge;
  #denseVersion = 0;
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
    this.#acceptanceMarks = new AcceptanceMarks(options.trainers, parts);
    this.#trainers = this.#acceptanceMarks.trainers;
    this.#averaging = this.#trainers.length > 1
      ? new WeightAveraging(this.#trainers, budgetMs)
      : undefined;
    this.#denseCarried = context.telemetry.gauge("cairn_sync_dense_version", {
      help: "Version of the dense weights that the scorers are given.",
    });
    // Weights first: a scorer answers nothing before it has them.
    this.#beginAveraging();
    context.schedule(0, { kind: "syncDense" });
    context.schedule(0, { kind: "tellMarks" });
  }

  async receive(message: ParameterSyncMessage): Promise<void> {
    switch (message.kind) {
      case "tellMarks":
        await this.#tellMarks();
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
        return this.#transfers.check({ all: true });
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
  #scheduleNext(intervalMs: number, message: TellMarks | SyncDense | AverageDense): void {
    const nowMs = this.#context.clock.nowMs();
    const atMs = intervalMs * Math.ceil(nowMs / intervalMs + 0.5);
    this.#context.schedule(atMs - nowMs, message);
  }

  #status(): SyncStatus {
    const { learnedThroughMs } = this.#acceptanceMarks;
    return { learnedThroughMs, denseVersion: this.#denseVersion };
  }

  async #tellMarks(): Promise<void> {
    const beganMs = this.#context.clock.monotonicMs();
    const isDue = beganMs - this.#roundAtMs >= QUIET_MS;
    // Before anything that can wait for trainers: a scorer that restarted needs weights.
    this.#transfers.check({ all: isDue });
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

  /** Reads the acceptance marks, and averages the trainers of a later dealing from then on. */
  async #readAcceptanceMarks(): Promise<void> {
    await this.#acceptanceMarks.read();
    const { trainers } = this.#acceptanceMarks;
    if (trainers === this.#trainers) return;
    this.#trainers = trainers;
    this.#averaging = trainers.length > 1
      ? new WeightAveraging(trainers, this.#options.budgetMs, this.#transfers.carried)
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
    const { carried } = this.#transfers;
    if (carried !== undefined && this.#carriedAt === changes) return carried;
    const message = { kind: "getDenseWeights" } as const;
    const { weights } = await trainer.ask(message, { budgetMs, bulk: true });
    this.#carriedAt = changes;
    return weights;
  }

  async #syncDense(): Promise<void> {
    const weights = await this.#denseWeights();
    if (weights === undefined) return;
    this.#transfers.carry(weights);
    this.#denseVersion = weights.version;
    this.#denseCarried.set(weights.version);
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

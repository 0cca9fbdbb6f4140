/**
 * The scorer's behaviour: forward passes over the requests that wait. It handles no text and writes
 * nothing, so it can run in the replicas' thread, while the ranker's thread reads profiles,
 * extracts features and logs.
 *
 * Requests that arrive during a pass share the next one: batches grow with load, and an idle scorer
 * adds no delay. An explanation costs a pass over rows × slots. While requests to score wait, one
 * explanation is made for every {@link PASSES_PER_EXPLANATION} passes.
 */
import type { ActorContext, AskOptions, Behavior } from "../../mesh/runtime/actor.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { CancelSignal } from "../../mesh/runtime/cancel_signal.ts";
import { OverloadedError, reasonOf } from "../../mesh/runtime/errors.ts";
import { type DenseWeights, WeightsMismatchError } from "../../kernels/dense/weights.ts";
import type { InferenceSession } from "../../kernels/dense/inference_session.ts";
import { present } from "../../structures/invariant.ts";
import { RowScores } from "./row_scores.ts";
import { ForwardPass, type PassResult, type ScoredLists } from "./forward_pass.ts";
import { contributions, leaveSlotsOut } from "./explain.ts";
import type { ParameterSyncMessage } from "../parameter_sync/protocol.ts";
import type { RowFeedMessage } from "../row_feed/protocol.ts";
import type { LearnedWeights } from "../trainer/protocol.ts";
import type { ScorerOptions } from "./options.ts";
import type { ReplicaClient } from "./replica_client.ts";
import {
  type ChangeReplicas,
  type Embed,
  type Explain,
  type Explanation,
  type GetScorerStatus,
  type LoadDenseWeights,
  NoWeightsError,
  type Score,
  type ScorerMessage,
  type ScorerStatus,
} from "./protocol.ts";
import { RetrievalVectors } from "./retrieval_vectors.ts";
import { snapshotWeights } from "./snapshot_weights.ts";
import { passOn } from "./weight_relay.ts";

export interface ScorerDependencies {
  createSession(): Promise<InferenceSession>;
  /** Has the snapshots. */
  readonly blobs: BlobStore;
}

/** Passes over requests to score that go before an explanation. */
const PASSES_PER_EXPLANATION = 4;
/** Shortest time between two looks through a full queue for cancelled requests, ms. */
const DROP_INTERVAL_MS = 10;

/** A request that waits for its turn. */
interface Waiting<R> {
  readonly request: R;
  /** When its asker gives up, monotonic ms. After that the context no longer knows its budget. */
  readonly deadlineMs: number;
  /** Is aborted where it gives up before. */
  readonly signal: CancelSignal;
}

/** Pause before a snapshot that the store did not give is read again, ms. */
const SNAPSHOT_RETRY_MS = 5_000;
/** Time for the replicas to answer when readiness is asked for, ms. */
const PROBE_BUDGET_MS = 1_000;

export class Scorer implements Behavior<ScorerMessage> {
  readonly #context: ActorContext<ScorerMessage>;
  readonly #options: ScorerOptions;
  readonly #session: InferenceSession;
  readonly #pass: ForwardPass;
  readonly #scores: RowScores;
  readonly #vectors: RetrievalVectors;
  readonly #slotNames: readonly string[];
  /** Requests to score that wait for a pass, oldest first. */
  readonly #scoring: Waiting<Score>[] = [];
  /** Requests to explain that wait, oldest first. */
  readonly #explaining: Waiting<Explain>[] = [];
  /** When a full queue was looked through last, monotonic ms. */
  #droppedAtMs = -Infinity;
  /** Passes that go before the next explanation. */
  #passesBeforeExplanation = 0;
  /** Whether parameter sync has sent weights since the start. */
  #isSynced = false;
  /** Undefined while the session has untrained weights. */
  #modelVersion: number | undefined;
  /** How far the weights of parameter sync have learned, ms; 0 before the first. */
  #learnedThroughMs = 0;
  /** The sharding of the replicas in use. */
  #sharding: number;
  /** Replicas of a later sharding, which are used from the next pass on. */
  #offer: { readonly message: ChangeReplicas; readonly replicas: ReplicaClient } | undefined;

  private constructor(
    context: ActorContext<ScorerMessage>,
    options: ScorerOptions,
    session: InferenceSession,
  ) {
    this.#context = context;
    this.#options = options;
    this.#sharding = options.sharding;
    this.#session = session;
    this.#pass = new ForwardPass(context, options, session);
    this.#scores = new RowScores(session.model.tasks, options, this.#pass.listedSlots);
    this.#vectors = new RetrievalVectors(options.schema, session.model);
    this.#slotNames = options.schema.slots.map((slot) => slot.name);
    const { parameterSync, rowFeed } = options;
    const started = { kind: "servingStarted", part: context.self.address } as const;
    if (rowFeed !== undefined) context.actorRef<RowFeedMessage>(rowFeed).tell(started);
    if (parameterSync === undefined) return;
    context.actorRef<ParameterSyncMessage>(parameterSync).tell({ kind: "servingStarted" });
  }

  static async start(
    context: ActorContext<ScorerMessage>,
    options: ScorerOptions,
    dependencies: ScorerDependencies,
  ): Promise<Scorer> {
    const session = await dependencies.createSession();
    const scorer = new Scorer(context, options, session);
    // A store that does not answer delays nothing; a pause ends with the incarnation.
    scorer.#readSnapshot(dependencies.blobs).catch(() => {});
    return scorer;
  }

  /**
   * Lets the scorer begin with the weights of the newest snapshot, once the store gives it. Logs
   * once per reason why it does not.
   */
  async #readSnapshot(blobs: BlobStore): Promise<void> {
    const { self, telemetry } = this.#context;
    let logged: string | undefined;
    while (this.#modelVersion === undefined) {
      try {
        const weights = await snapshotWeights(blobs, this.#session.parameters);
        if (weights !== undefined) self.tell({ kind: "beginWith", weights });
        if (logged !== undefined) {
          telemetry.log("info", "the scorer has read the newest snapshot");
        }
        return;
      } catch (cause) {
        const reason = reasonOf(cause);
        const lacking = "no weights from the newest snapshot; the scorer reads it again every " +
          `${SNAPSHOT_RETRY_MS / 1_000} s, unless a trainer's come before`;
        if (reason !== logged) telemetry.log("warn", lacking, { cause });
        logged = reason;
      }
      await this.#context.pause(SNAPSHOT_RETRY_MS);
    }
  }

  async receive(message: ScorerMessage): Promise<void> {
    switch (message.kind) {
      case "score":
        return this.#enqueue(message, this.#scoring, this.#options.requestsWaitingMax);
      case "explain":
        return this.#enqueue(message, this.#explaining, this.#options.explanationsWaitingMax);
      case "embed":
        return await this.#embed(message);
      case "scoreWaiting":
        return await this.#scoreWaiting();
      case "explainWaiting":
        return await this.#explainWaiting();
      case "beginWith":
        if (!this.#isSynced) this.#use(message.weights);
        return;
      case "loadDenseWeights":
        return this.#loadAndPassOn(message);
      case "getModel":
        return this.#context.reply(message, {
          isSynced: this.#isSynced,
          modelVersion: this.#modelVersion ?? 0,
          learnedThroughMs: this.#learnedThroughMs,
        });
      case "changeReplicas":
        return void this.#changeReplicas(message);
      case "takeOffer":
        return this.#takeOffer();
      case "getStatus":
        return void this.#tellStatus(message);
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    await this.#session.close();
  }

  /** Asks the replicas while passes go on, in half of the asker's time. */
  async #tellStatus(message: GetScorerStatus): Promise<void> {
    const budgetMs = Math.min(PROBE_BUDGET_MS, this.#context.remainingMs(message) / 2);
    await this.#pass.probeReplicas(budgetMs);
    this.#context.reply(message, { ...this.#status(), sharding: this.#sharding });
  }

  #status(): ScorerStatus {
    return {
      ready: this.#modelVersion !== undefined && this.#pass.canLookUp,
      modelVersion: this.#modelVersion ?? 0,
      ...this.#pass.freshness,
    };
  }

  #loadAndPassOn(message: LoadDenseWeights): void {
    try {
      this.#load(message);
    } catch (error) {
      if (!(error instanceof WeightsMismatchError)) throw error;
      return this.#context.replyError(message, error);
    }
    this.#passOn(message); // meanwhile rankings are scored
  }

  /**
   * Takes weights of parameter sync. The first ones since the start count whatever their version:
   * trainers may have gone back behind the snapshot that the scorer began with.
   */
  #load({ weights, learnedThroughMs }: LearnedWeights): void {
    if (this.#isSynced && weights.version < (this.#modelVersion ?? 0)) return;
    this.#use(weights);
    this.#isSynced = true;
    this.#learnedThroughMs = learnedThroughMs;
  }

  #use(weights: DenseWeights): void {
    this.#session.load(weights);
    this.#modelVersion = weights.version;
  }

  /** Passes weights on, and answers with what it serves itself and the others do. */
  async #passOn(message: LoadDenseWeights): Promise<void> {
    const served = this.#modelVersion ?? 0;
    const scorers = message.passTo.map((each) => this.#context.actorRef<ScorerMessage>(each));
    const remainingMs = this.#context.remainingMs(message);
    const versions = await passOn(message, scorers, remainingMs);
    this.#context.reply(message, { versions: [served, ...versions] });
  }

  /** Passes go on while the offered replicas are asked. */
  async #changeReplicas(message: ChangeReplicas): Promise<void> {
    const { sharding, replicas } = message;
    const offered = sharding > this.#sharding
      ? await this.#pass.ready(replicas, PROBE_BUDGET_MS)
      : undefined;
    // Another offer may have been taken meanwhile.
    if (offered === undefined || this.#offer !== undefined || sharding <= this.#sharding) {
      return this.#context.reply(message, { sharding: this.#sharding });
    }
    this.#offer = { message, replicas: offered };
    this.#context.self.tell({ kind: "takeOffer" });
  }

  /** Between two passes: one that is under way looks up in the replicas that it began with. */
  #takeOffer(): void {
    if (this.#offer === undefined) return; // an earlier incarnation had it
    const { message, replicas } = this.#offer;
    const { sharding } = message;
    this.#offer = undefined;
    this.#pass.useReplicas(replicas);
    this.#sharding = sharding;
    this.#context.reply(message, { sharding });
    this.#context.telemetry.log("info", `${this.#context.self.address} uses other replicas`, {
      sharding,
      shards: replicas.shards,
    });
  }

  #enqueue<R extends Score | Explain>(
    request: R,
    waiting: Waiting<R>[],
    waitingMax: number,
  ): void {
    const { self, clock } = this.#context;
    if (this.#modelVersion === undefined) {
      return this.#context.replyError(request, new NoWeightsError());
    }
    const nowMs = clock.monotonicMs();
    const isTold = waiting.length > 0;
    if (waiting.length >= waitingMax) this.#dropOver(waiting, nowMs);
    if (waiting.length >= waitingMax) {
      return this.#context.replyError(
        request,
        new OverloadedError(self.address, waiting.length, waitingMax),
      );
    }
    const deadlineMs = nowMs + this.#context.remainingMs(request);
    waiting.push({ request, deadlineMs, signal: this.#signalOf(request) });
    if (isTold) return;
    if (request.kind === "explain") this.#passesBeforeExplanation = PASSES_PER_EXPLANATION;
    // Goes behind the requests that are in the mailbox, so that they share the pass.
    self.tell({ kind: request.kind === "score" ? "scoreWaiting" : "explainWaiting" });
  }

  /** Makes room for a request; not for each one of many that come to a full queue at once. */
  #dropOver(waiting: Waiting<unknown>[], nowMs: number): void {
    if (nowMs < this.#droppedAtMs + DROP_INTERVAL_MS) return;
    this.#droppedAtMs = nowMs;
    let kept = 0;
    for (const each of waiting) if (!isOver(each, nowMs)) waiting[kept++] = each;
    waiting.length = kept;
  }

  /** Embeds in its own turn, between the passes over requests to score. */
  async #embed(request: Embed): Promise<void> {
    const remainingMs = this.#context.remainingMs(request);
    const budgetMs = Math.min(this.#options.lookupBudgetMs, remainingMs / 2);
    try {
      const lookup = { budgetMs, signals: [this.#signalOf(request)] };
      const { pooled, shardsAway } = await this.#pass.pool(request.features, lookup);
      const embedded = this.#vectors.of(pooled, request.of);
      this.#context.reply(request, { ...embedded, shardsAway }, [embedded.vectors.buffer]);
    } catch (error) {
      this.#context.replyError(request, error as Error);
    }
  }

  async #scoreWaiting(): Promise<void> {
    const taken = this.#take();
    if (this.#scoring.length > 0) this.#context.self.tell({ kind: "scoreWaiting" });
    if (taken.length === 0) return;
    this.#passesBeforeExplanation--;
    try {
      const requests = taken.map(({ request }) => request.features);
      this.#answer(taken, await this.#pass.score(requests, this.#lookupOptions(taken)));
    } catch (error) {
      for (const { request } of taken) this.#context.replyError(request, error as Error);
    }
  }

  /** Takes requests for one pass, at least one unless the askers of all have given up. */
  #take(): Waiting<Score>[] {
    const taken: Waiting<Score>[] = [];
    const nowMs = this.#context.clock.monotonicMs();
    let rows = 0;
    let read = 0;
    for (; read < this.#scoring.length; read++) {
      const waiting = this.#scoring[read];
      const { features } = waiting.request;
      if (taken.length > 0 && rows + features.rows > this.#options.batchRowsMax) break;
      if (isOver(waiting, nowMs)) continue;
      taken.push(waiting);
      rows += features.rows;
    }
    this.#scoring.splice(0, read);
    return taken;
  }

  /**
   * Uses half of the longest remaining budget of the merged requests, so that these can be answered
   * without the rows of a shard that is silent; those with less time out individually.
   */
  #lookupOptions(taken: readonly Waiting<Score | Explain>[]): AskOptions {
    const deadlineMs = Math.max(...taken.map(({ deadlineMs }) => deadlineMs));
    const remainingMs = Math.max(0, deadlineMs - this.#context.clock.monotonicMs());
    return {
      budgetMs: Math.min(this.#options.lookupBudgetMs, remainingMs / 2),
      signals: taken.map(({ signal }) => signal),
      // A pass for several requests is traced as the first one's.
      trace: this.#context.traceOf(taken[0].request),
    };
  }

  /** Taken in the request's own turn. */
  #signalOf(request: Score | Explain | Embed): CancelSignal {
    return present(this.#context.signalOf(request), "the request has an asker");
  }

  /** Answers each request with the scores of its rows. */
  #answer(taken: readonly Waiting<Score>[], result: ScoredLists): void {
    const { shardsAway, learnedThroughMs } = result;
    const answer = { modelVersion: this.#modelVersion ?? 0, shardsAway, learnedThroughMs };
    let firstRow = 0;
    for (const { request } of taken) {
      const { rows } = request.features;
      const { buffer, ...arrays } = this.#scores.of(result, firstRow, rows);
      firstRow += rows;
      this.#context.reply(request, { ...arrays, ...answer }, [buffer]);
    }
  }

  /** Makes one explanation, or goes behind the requests to score if it is their turn. */
  async #explainWaiting(): Promise<void> {
    const goesBehind = this.#scoring.length > 0 && this.#passesBeforeExplanation > 0;
    const waiting = goesBehind ? undefined : this.#explaining.shift();
    if (this.#explaining.length > 0) this.#context.self.tell({ kind: "explainWaiting" });
    if (waiting === undefined || isOver(waiting, this.#context.clock.monotonicMs())) return;
    this.#passesBeforeExplanation = PASSES_PER_EXPLANATION;
    const { request } = waiting;
    try {
      const result = await this.#pass.run(request.features, this.#lookupOptions([waiting]));
      const explanations = await this.#explain(waiting, result);
      if (explanations !== undefined) this.#context.reply(request, explanations);
    } catch (error) {
      this.#context.replyError(request, error as Error);
    }
  }

  /**
   * Scores each row again without each of its slots, `batchRowsMax` rows at a time; undefined if
   * the request's time is up before the last pass.
   */
  async #explain(
    waiting: Waiting<Explain>,
    { pooled, outputs: outputsOfSession }: PassResult,
  ): Promise<Explanation[] | undefined> {
    const outputs = outputsOfSession.slice(); // the next pass overwrites them
    const slots = this.#slotNames.length;
    const rows = Array.from({ length: pooled.rows }, (_, row) => row);
    const explanations: Explanation[] = [];
    const rowsMax = Math.max(1, Math.floor(this.#options.batchRowsMax / slots));
    for (let from = 0; from < rows.length; from += rowsMax) {
      if (isOver(waiting, this.#context.clock.monotonicMs())) return undefined;
      const part = rows.slice(from, from + rowsMax);
      const without = await this.#session.predict(leaveSlotsOut(pooled, part, this.#session.model));
      part.forEach((row, i) => {
        const leftOut = this.#slotNames.map((_, slot) =>
          this.#scores.combined.explained(without, i * slots + slot)
        );
        const whole = this.#scores.combined.explained(outputs, row);
        explanations.push(contributions(whole, leftOut, this.#slotNames));
      });
    }
    return explanations;
  }
}

/** Whether the asker has given up: any further work for it is wasted. */
function isOver({ deadlineMs, signal }: Waiting<unknown>, nowMs: number): boolean {
  return signal.aborted || nowMs >= deadlineMs;
}

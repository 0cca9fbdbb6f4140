/**
 * The scorer's behaviour: embedding lookup, pooling and one forward pass. It handles no text and
 * writes nothing, so it can run in the replicas' thread, while the ranker's thread reads profiles,
 * extracts features and logs.
 *
 * Requests that arrive during a pass share the next one: batches grow with load, and an idle scorer
 * adds no delay.
 */
import type { ActorContext, AskOptions, Behavior, Request } from "../../mesh/runtime/actor.ts";
import { OverloadedError } from "../../mesh/runtime/errors.ts";
import type { Counter, Histogram } from "../../mesh/ports/telemetry.ts";
import { type InferenceSession, prediction } from "../../kernels/dense/inference_session.ts";
import { BatchKernel, type UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";
import { CombinedScore } from "./combined_score.ts";
import { isCold, itemColumns, type LookedUpBatch } from "./cold_items.ts";
import { contributions, leaveSlotsOut, type PooledRows } from "./explain.ts";
import { mergeBatches } from "./merged_batches.ts";
import type { ScorerOptions } from "./options.ts";
import type { Explanation, Score, ScorerMessage, ScorerStatus } from "./protocol.ts";
import { type FoundRows, ReplicaClient } from "./replica_client.ts";
import { allocateScores } from "./scores_buffer.ts";

export interface ScorerDependencies {
  createSession(): Promise<InferenceSession>;
}

/** Time for the replicas to answer when readiness is asked for, ms. */
const PROBE_BUDGET_MS = 1_000;

/** A batch with the model's outputs. */
interface Scored extends LookedUpBatch {
  readonly pooled: PooledRows;
  /** `[rows, tasks]`; valid until the next pass. */
  readonly outputs: Float32Array;
}

export class Scorer implements Behavior<ScorerMessage> {
  readonly #context: ActorContext<ScorerMessage>;
  readonly #options: ScorerOptions;
  readonly #session: InferenceSession;
  readonly #kernel: BatchKernel;
  readonly #inputs: ModelInputs;
  readonly #replicas: ReplicaClient;
  readonly #combined: CombinedScore;
  readonly #slotNames: readonly string[];
  readonly #itemColumns: readonly number[];
  readonly #rows: Counter;
  readonly #batchRows: Histogram;
  #waiting: Score[] = [];
  #ready = false;
  #modelVersion = 0;
  #learnedThroughMs = 0;

  private constructor(
    context: ActorContext<ScorerMessage>,
    options: ScorerOptions,
    session: InferenceSession,
  ) {
    const { layout, replicas, schema } = options;
    this.#context = context;
    this.#options = options;
    this.#session = session;
    this.#kernel = BatchKernel.create(layout.classes);
    this.#inputs = new ModelInputs({
      layout,
      sparseInputs: session.model.sparseInputs,
      historyInputs: session.model.historyInputs,
      combiners: schema.slots.map((slot) => slot.pooling),
    });
    this.#replicas = new ReplicaClient(
      replicas.map((each) =>
        each.map((address) => context.actorRef<ServingReplicaMessage>(address))
      ),
      layout.classes.length,
    );
    this.#combined = new CombinedScore(session.model.tasks, options.scoreWeights);
    this.#slotNames = schema.slots.map((slot) => slot.name);
    this.#itemColumns = itemColumns(schema);
    this.#rows = context.telemetry.counter("cairn_scorer_rows_total", {
      help: "Candidates scored.",
    });
    this.#batchRows = context.telemetry.histogram("cairn_scorer_batch_rows", {
      help: "Candidates that shared one forward pass.",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
    });
  }

  static async start(
    context: ActorContext<ScorerMessage>,
    options: ScorerOptions,
    dependencies: ScorerDependencies,
  ): Promise<Scorer> {
    return new Scorer(context, options, await dependencies.createSession());
  }

  async receive(message: ScorerMessage): Promise<void> {
    switch (message.kind) {
      case "score":
        return this.#enqueue(message);
      case "scoreWaiting":
        return await this.#scoreWaiting();
      case "explain": {
        const scored = await this.#score(message.features, this.#lookupOptions([message]));
        return this.#context.reply(message, await this.#explain(scored));
      }
      case "loadDenseWeights": {
        const { version } = message.weights;
        if (version >= this.#modelVersion) {
          this.#session.load(message.weights);
          this.#modelVersion = version;
        }
        return this.#context.reply(message, { version: this.#modelVersion });
      }
      case "setFreshness":
        this.#learnedThroughMs = message.learnedThroughMs;
        return this.#context.reply(message, this.#status());
      case "getStatus":
        this.#ready ||= await this.#replicas.probe(PROBE_BUDGET_MS);
        return this.#context.reply(message, this.#status());
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    await this.#session.close();
  }

  #status(): ScorerStatus {
    return {
      ready: this.#ready,
      modelVersion: this.#modelVersion,
      learnedThroughMs: this.#learnedThroughMs,
    };
  }

  #enqueue(request: Score): void {
    const { requestsWaitingMax } = this.#options;
    if (this.#waiting.length >= requestsWaitingMax) {
      return this.#context.replyError(
        request,
        new OverloadedError(this.#context.self.address, this.#waiting.length, requestsWaitingMax),
      );
    }
    this.#waiting.push(request);
    // Goes behind the requests that are in the mailbox, so that they share the pass.
    if (this.#waiting.length === 1) this.#context.self.tell({ kind: "scoreWaiting" });
  }

  async #scoreWaiting(): Promise<void> {
    const taken = this.#take();
    if (this.#waiting.length > 0) this.#context.self.tell({ kind: "scoreWaiting" });
    if (taken.length === 0) return;
    try {
      const { schema } = this.#options;
      const batches = taken.map(({ features }) => features);
      const batch = mergeBatches(batches, schema.slots.length, schema.denseWidth);
      this.#answer(taken, await this.#score(batch, this.#lookupOptions(taken)));
    } catch (error) {
      for (const request of taken) this.#context.replyError(request, error as Error);
    }
  }

  /** Takes requests for one pass, at least one unless all have timed out. */
  #take(): Score[] {
    const taken: Score[] = [];
    let rows = 0;
    let read = 0;
    for (; read < this.#waiting.length; read++) {
      const request = this.#waiting[read];
      if (taken.length > 0 && rows + request.features.rows > this.#options.batchRowsMax) break;
      if (this.#context.remainingMs(request) <= 0) continue;
      taken.push(request);
      rows += request.features.rows;
    }
    this.#waiting = this.#waiting.slice(read);
    return taken;
  }

  /**
   * Uses the longest remaining budget of the merged requests; those with less time out
   * individually.
   */
  #lookupOptions(requests: readonly Request<unknown>[]): AskOptions {
    const remainingMs = requests.map((request) => this.#context.remainingMs(request));
    return {
      budgetMs: Math.min(this.#options.lookupBudgetMs, Math.max(...remainingMs)),
      // A pass for several requests is traced as the first one's.
      traceId: this.#context.traceIdOf(requests[0]),
    };
  }

  async #score(batch: FeatureBatch, lookup: AskOptions): Promise<Scored> {
    const grouped = this.#kernel.uniqueInPlace(batch.ids, this.#options.replicas.length);
    const { rows, found } = await this.#lookup(grouped, lookup);
    const pooled = {
      rows: batch.rows,
      ...this.#inputs.pool(rows, grouped, batch),
      dense: batch.dense,
    };
    const outputs = await this.#session.predict(pooled);
    this.#rows.add(batch.rows);
    this.#batchRows.record(batch.rows);
    return {
      batch,
      slots: this.#slotNames.length,
      pooled,
      outputs,
      found,
      inverse: grouped.inverse,
    };
  }

  /** A lookup that fails makes the scorer not ready until the replicas answer again. */
  async #lookup(grouped: UniqueIds, options: AskOptions): Promise<FoundRows> {
    this.#ready = false;
    const found = await this.#replicas.lookup(grouped, options);
    this.#ready = true;
    return found;
  }

  #answer(taken: readonly Score[], scored: Scored): void {
    const { tasks } = this.#session.model;
    const { modelVersion, learnedThroughMs } = this.#status();
    let firstRow = 0;
    for (const request of taken) {
      const { rows } = request.features;
      const { buffer, ...arrays } = allocateScores(
        rows,
        tasks.length,
        this.#combined.isPrediction,
      );
      const { scores, predictions, cold } = arrays;
      for (let i = 0, row = firstRow; i < rows; i++, row++) {
        for (let task = 0; task < tasks.length; task++) {
          const output = scored.outputs[row * tasks.length + task];
          predictions[i * tasks.length + task] = prediction(tasks[task], output);
        }
        if (scores !== predictions) scores[i] = this.#combined.of(predictions, i);
        cold[i] = Number(isCold(scored, row, this.#itemColumns));
      }
      firstRow += rows;
      this.#context.reply(request, { ...arrays, modelVersion, learnedThroughMs }, [buffer]);
    }
  }

  /** Scores each row again without each of its slots, `batchRowsMax` rows at a time. */
  async #explain({ pooled, outputs: shared }: Scored): Promise<Explanation[]> {
    const outputs = shared.slice(); // the next pass overwrites them
    const slots = this.#slotNames.length;
    const rows = Array.from({ length: pooled.rows }, (_, row) => row);
    const explanations: Explanation[] = [];
    const rowsMax = Math.max(1, Math.floor(this.#options.batchRowsMax / slots));
    for (let from = 0; from < rows.length; from += rowsMax) {
      const part = rows.slice(from, from + rowsMax);
      const without = await this.#session.predict(leaveSlotsOut(pooled, part, this.#session.model));
      part.forEach((row, i) => {
        const leftOut = this.#slotNames.map((_, slot) =>
          this.#combined.explained(without, i * slots + slot)
        );
        const whole = this.#combined.explained(outputs, row);
        explanations.push(contributions(whole, leftOut, this.#slotNames));
      });
    }
    return explanations;
  }
}

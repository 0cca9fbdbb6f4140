/**
 * The ranker's behaviour: features, embedding rows, one forward pass, and the impression in the log before the answer.
 *
 * Requests that come while a pass runs wait together and share the next one: the busier the ranker, the larger
 * its batches, and nobody waits when it is idle.
 */
import type { ActorContext, AskOptions, Behavior } from "../../mesh/runtime/actor.ts";
import { OverloadedError } from "../../mesh/runtime/errors.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { Counter, Histogram } from "../../mesh/ports/telemetry.ts";
import { type InferenceSession, prediction } from "../../kernels/dense/inference_session.ts";
import { BatchKernel, type UniqueIds } from "../../kernels/embedding/batch_kernel.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { ModelInputs } from "../../kernels/embedding/model_inputs.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import { encodeEvent, eventPartition, packItems } from "../joiner/protocol.ts";
import type { ServingReplicaMessage } from "../serving_replica/protocol.ts";
import { isCold, itemColumns } from "./cold_items.ts";
import { contributions, leaveSlotsOut, type PooledRows } from "./explain.ts";
import { mergeBatches, orderByScore, pickRows } from "./merged_requests.ts";
import type { RankerOptions } from "./options.ts";
import type { Rank, RankedItem, RankerMessage, RankerStatus, Ranking } from "./protocol.ts";
import { type FoundRows, ReplicaClient } from "./replica_client.ts";

export interface RankerDependencies {
  readonly eventLog: EventLog;
  readonly profiles: ProfileStore;
  createSession(): Promise<InferenceSession>;
}

const PROBE_BUDGET_MS = 1_000;

/** A request whose features are made. */
interface Extracted {
  readonly request: Rank;
  readonly features: FeatureBatch;
}

/** All that scoring a merged batch gave. */
interface Scored {
  readonly batch: FeatureBatch;
  readonly pooled: PooledRows;
  /** `[rows, tasks]` */
  readonly logits: Float32Array;
  readonly found: Uint8Array;
  readonly inverse: Uint32Array;
}

export class Ranker implements Behavior<RankerMessage> {
  readonly #context: ActorContext<RankerMessage>;
  readonly #options: RankerOptions;
  readonly #eventLog: EventLog;
  readonly #profiles: ProfileStore;
  readonly #session: InferenceSession;
  readonly #kernel: BatchKernel;
  readonly #extractor: FeatureExtractor;
  readonly #unsubscribe: () => void;
  readonly #inputs: ModelInputs;
  readonly #replicas: ReplicaClient;
  readonly #slots: number;
  readonly #slotNames: readonly string[];
  readonly #itemColumns: readonly number[];
  readonly #requests: Counter;
  readonly #candidates: Counter;
  readonly #batchRows: Histogram;
  #waiting: Rank[] = [];
  #ready = false;
  #modelVersion = 0;
  #learnedThroughMs = 0;

  private constructor(
    context: ActorContext<RankerMessage>,
    options: RankerOptions,
    dependencies: RankerDependencies,
    session: InferenceSession,
  ) {
    const { schema } = options;
    this.#context = context;
    this.#options = options;
    this.#eventLog = dependencies.eventLog;
    this.#profiles = dependencies.profiles;
    this.#session = session;
    this.#extractor = new FeatureExtractor(schema, FeatureHasher.create(), {
      ...options,
      storedItems: (ids) =>
        this.#profiles.getMany("item", ids).map((profile) => profile?.attributes),
    });
    this.#unsubscribe = this.#profiles.onChanged("item", (id) => this.#extractor.forget(id));
    this.#kernel = BatchKernel.create(options.layout.classes);
    this.#inputs = new ModelInputs({
      layout: options.layout,
      sparseInputs: session.model.sparseInputs,
      sequenceInputs: session.model.sequenceInputs,
      combiners: schema.slots.map((slot) => slot.pooling),
    });
    this.#replicas = new ReplicaClient(
      options.replicas.map((replicas) =>
        replicas.map((address) => context.actorRef<ServingReplicaMessage>(address))
      ),
      options.layout.classes.length,
    );
    this.#slots = schema.slots.length;
    this.#slotNames = schema.slots.map((slot) => slot.name);
    this.#itemColumns = itemColumns(schema);
    this.#requests = context.telemetry.counter("cairn_ranker_requests_total", {
      help: "Rankings answered, by outcome.",
      labelNames: ["outcome"],
    });
    this.#candidates = context.telemetry.counter("cairn_ranker_candidates_total", {
      help: "Candidates scored.",
    });
    this.#batchRows = context.telemetry.histogram("cairn_ranker_batch_rows", {
      help: "Candidates that shared one forward pass.",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
    });
  }

  static async start(
    context: ActorContext<RankerMessage>,
    options: RankerOptions,
    dependencies: RankerDependencies,
  ): Promise<Ranker> {
    return new Ranker(context, options, dependencies, await dependencies.createSession());
  }

  async receive(message: RankerMessage): Promise<void> {
    switch (message.kind) {
      case "rank":
        return this.#enqueue(message);
      case "scoreWaiting":
        return await this.#scoreWaiting();
      case "loadDenseWeights": {
        const { version } = message.weights;
        if (version >= this.#modelVersion) {
          this.#session.load(message.weights);
          this.#modelVersion = version;
        }
        return this.#context.reply(message, { version: this.#modelVersion });
      }
      case "advanceFreshness":
        this.#learnedThroughMs = Math.max(this.#learnedThroughMs, message.learnedThroughMs);
        return this.#context.reply(message, this.#status());
      case "getStatus":
        this.#ready ||= await this.#replicas.probe(PROBE_BUDGET_MS);
        return this.#context.reply(message, this.#status());
      default:
        message satisfies never;
    }
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#session.close();
  }

  #status(): RankerStatus {
    return {
      ready: this.#ready,
      modelVersion: this.#modelVersion,
      learnedThroughMs: this.#learnedThroughMs,
    };
  }

  #enqueue(request: Rank): void {
    const { requestsWaitingMax } = this.#options;
    if (this.#waiting.length >= requestsWaitingMax) {
      this.#requests.add(1, { outcome: "overloaded" });
      return this.#context.replyError(
        request,
        new OverloadedError(this.#context.self.address, this.#waiting.length, requestsWaitingMax),
      );
    }
    this.#waiting.push(request);
    // Behind the requests that are already in the mailbox, so that they share the pass.
    if (this.#waiting.length === 1) this.#context.self.tell({ kind: "scoreWaiting" });
  }

  async #scoreWaiting(): Promise<void> {
    const taken = this.#take();
    if (this.#waiting.length > 0) this.#context.self.tell({ kind: "scoreWaiting" });
    if (taken.length === 0) return;
    try {
      // The most patient decides: a request whose own budget ends before is answered by its deadline.
      const remainingMs = taken.map(({ request }) => this.#context.remainingMs(request));
      const budgetMs = Math.min(this.#options.lookupBudgetMs, Math.max(...remainingMs));
      // A pass for several is traced as the first one's.
      const traceId = this.#context.traceIdOf(taken[0].request);
      const scored = await this.#score(taken.map(({ features }) => features), {
        budgetMs,
        traceId,
      });
      await this.#answer(taken, scored);
    } catch (error) {
      this.#refuse(taken, error);
    }
  }

  /** Takes requests for one pass and makes their features; one that cannot be made is answered here. */
  #take(): Extracted[] {
    const taken: Extracted[] = [];
    let rows = 0;
    let read = 0;
    for (; read < this.#waiting.length; read++) {
      const request = this.#waiting[read];
      if (read > 0 && rows + request.candidates.length > this.#options.batchRowsMax) break;
      if (this.#context.remainingMs(request) <= 0) continue; // nobody waits for it any more
      try {
        taken.push({ request, features: this.#extract(request) });
        rows += request.candidates.length;
      } catch (error) {
        this.#requests.add(1, { outcome: "refused" });
        this.#context.replyError(request, asError(error));
      }
    }
    this.#waiting = this.#waiting.slice(read);
    return taken;
  }

  #extract(request: Rank): FeatureBatch {
    const stored = this.#extractor.readsUsers
      ? this.#profiles.get("user", request.user)?.attributes
      : undefined;
    return this.#extractor.extract({
      user: request.user,
      userAttributes: { ...stored, ...request.userFields },
      context: request.context,
      atMs: request.atMs,
      items: request.candidates,
    });
  }

  async #score(batches: readonly FeatureBatch[], lookup: AskOptions): Promise<Scored> {
    const batch = mergeBatches(batches, this.#slots, this.#options.schema.denseWidth);
    const grouped = this.#kernel.unique(batch.ids, this.#options.replicas.length);
    const { rows, found } = await this.#lookup(grouped, lookup);
    const pooled = {
      rows: batch.rows,
      ...this.#inputs.pool(rows, grouped, batch),
      dense: batch.dense,
    };
    const logits = await this.#session.predict(pooled);
    this.#candidates.add(batch.rows);
    this.#batchRows.record(batch.rows);
    return { batch, pooled, logits, found, inverse: grouped.inverse };
  }

  /** A lookup that fails makes the ranker unready until replicas answer again. */
  async #lookup(grouped: UniqueIds, options: AskOptions): Promise<FoundRows> {
    this.#ready = false;
    const found = await this.#replicas.lookup(grouped, options);
    this.#ready = true;
    return found;
  }

  /** Orders, logs what will be shown, and answers once the log has it. */
  async #answer(taken: readonly Extracted[], scored: Scored): Promise<void> {
    const { tasks } = this.#session.model;
    const records = new Map<number, Uint8Array[]>();
    const answers: { request: Rank; ranking: Ranking; partition: number }[] = [];
    let firstRow = 0;
    for (const { request, features } of taken) {
      const scores = new Float32Array(features.rows);
      for (let row = 0; row < features.rows; row++) {
        scores[row] = prediction(tasks[0], scored.logits[(firstRow + row) * tasks.length]);
      }
      const shown = orderByScore(scores).slice(0, request.limit);
      const items: RankedItem[] = shown.map((row) => ({
        id: request.candidates[row].id,
        score: scores[row],
        cold: isCold(
          scored.batch,
          firstRow + row,
          this.#slots,
          this.#itemColumns,
          scored.found,
          scored.inverse,
        ),
      }));
      const ranking: Ranking = {
        rankingId: request.rankingId ?? this.#context.random.uuid(),
        items: request.explain ? await this.#explain(items, shown, firstRow, scored) : items,
        modelVersion: this.#modelVersion,
        learnedThroughMs: this.#learnedThroughMs,
      };
      const partition = eventPartition(ranking.rankingId, this.#eventLog.partitions);
      const impression = this.#impression(request, ranking, features, shown, scores);
      records.set(partition, [...records.get(partition) ?? [], impression]);
      answers.push({ request, ranking, partition });
      firstRow += features.rows;
    }
    // Answers follow when the log has written the impressions. They need not wait for the disk: an impression lies
    // before its actions in one partition, so an action that was accepted as durable keeps its impression.
    for (const [partition, bytes] of records) {
      const mine = answers.filter((answer) => answer.partition === partition);
      this.#eventLog.append(partition, bytes, "written").then(
        () => {
          for (const { request, ranking } of mine) this.#context.reply(request, ranking);
          this.#requests.add(mine.length, { outcome: "answered" });
        },
        (error) => this.#refuse(mine, error),
      );
    }
  }

  #impression(
    request: Rank,
    { rankingId, items }: Ranking,
    features: FeatureBatch,
    shown: readonly number[],
    scores: Float32Array,
  ): Uint8Array {
    const { ids, segmentOffsets, dense } = pickRows(
      features,
      shown,
      this.#slots,
      this.#options.schema.denseWidth,
    );
    return encodeEvent({
      kind: "impression",
      rankingId,
      atMs: request.atMs,
      acceptedAtMs: this.#context.clock.nowMs(),
      user: request.user,
      ...packItems(items.map(({ id }) => id)),
      scores: bytesOf(Float32Array.from(shown, (row) => scores[row])),
      ids: bytesOf(ids),
      segmentOffsets: bytesOf(segmentOffsets),
      dense: bytesOf(dense),
    });
  }

  /** Scores each shown item once more without each of its slots, as many rows at a time as a pass may have. */
  async #explain(
    items: readonly RankedItem[],
    shown: readonly number[],
    firstRow: number,
    { pooled, logits }: Scored,
  ): Promise<RankedItem[]> {
    const tasks = this.#session.model.tasks.length;
    const rows = shown.map((row) => firstRow + row);
    const explained: RankedItem[] = [];
    const itemsMax = Math.max(1, Math.floor(this.#options.batchRowsMax / this.#slots));
    for (let from = 0; from < rows.length; from += itemsMax) {
      const part = rows.slice(from, from + itemsMax);
      const without = await this.#session.predict(
        leaveSlotsOut(pooled, part, this.#session.model),
      );
      part.forEach((row, i) => {
        const leftOut = this.#slotNames.map((_, slot) => without[(i * this.#slots + slot) * tasks]);
        const explanation = contributions(logits[row * tasks], leftOut, this.#slotNames);
        explained.push({ ...items[from + i], explanation });
      });
    }
    return explained;
  }

  #refuse(taken: readonly { readonly request: Rank }[], error: unknown): void {
    this.#requests.add(taken.length, { outcome: "failed" });
    for (const { request } of taken) this.#context.replyError(request, asError(error));
  }
}

function bytesOf(array: BigUint64Array | Uint32Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

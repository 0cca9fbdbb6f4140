/**
 * The ranker's behaviour: features, the scorer's predictions, an order, and the impression in the log before the
 * answer. While the scorer works on one request, the ranker makes the features of the next.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import { encodeEvent, eventPartition } from "../../records/event_record.ts";
import { ImpressionRowsWriter } from "../../records/impression_rows_writer.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import type { RankerOptions } from "./options.ts";
import type { Rank, RankedItem, RankerMessage } from "./protocol.ts";
import { orderByScore, pickRows } from "./row_order.ts";

export interface RankerDependencies {
  readonly eventLog: EventLog;
  readonly profiles: ProfileStore;
}

export class Ranker implements Behavior<RankerMessage> {
  readonly #context: ActorContext<RankerMessage>;
  readonly #options: RankerOptions;
  readonly #eventLog: EventLog;
  readonly #profiles: ProfileStore;
  readonly #scorer: ActorRef<ScorerMessage>;
  readonly #extractor: FeatureExtractor;
  readonly #impressionRows: ImpressionRowsWriter;
  readonly #unsubscribe: () => void;
  readonly #requests: Counter;

  constructor(
    context: ActorContext<RankerMessage>,
    options: RankerOptions,
    { eventLog, profiles }: RankerDependencies,
  ) {
    this.#context = context;
    this.#options = options;
    this.#eventLog = eventLog;
    this.#profiles = profiles;
    this.#scorer = context.actorRef<ScorerMessage>(options.scorer);
    this.#extractor = new FeatureExtractor(options.schema, FeatureHasher.create(), {
      ...options,
      storedItems: (ids) => profiles.getMany("item", ids).map((profile) => profile?.attributes),
    });
    this.#impressionRows = new ImpressionRowsWriter({
      slots: options.schema.slots.length,
      denseWidth: options.schema.denseWidth,
      sharedSlots: this.#extractor.sharedSlots,
      tasks: options.taskNames.length,
    });
    this.#unsubscribe = profiles.onChanged("item", (id) => this.#extractor.forget(id));
    this.#requests = context.telemetry.counter("cairn_ranker_requests_total", {
      help: "Rankings answered, by outcome.",
      labelNames: ["outcome"],
    });
  }

  receive(message: RankerMessage): void {
    switch (message.kind) {
      case "rank":
        return this.#rank(message);
      case "getStatus":
        this.#scorer.ask({ kind: "getStatus" }, this.#remaining(message)).then(
          (status) => this.#context.reply(message, status),
          (error) => this.#context.replyError(message, error),
        );
        return;
      default:
        message satisfies never;
    }
  }

  stop(): void {
    this.#unsubscribe();
  }

  /** What a request leaves for those whom the ranker asks, and its trace. */
  #remaining(request: RankerMessage) {
    return {
      budgetMs: this.#context.remainingMs(request),
      traceId: this.#context.traceIdOf(request),
    };
  }

  /** The answer comes in a later turn: the next request need not wait for it. */
  #rank(request: Rank): void {
    let features: FeatureBatch;
    try {
      features = this.#extract(request);
    } catch (error) {
      return this.#refuse(request, "refused", error);
    }
    this.#answer(request, features).then(
      () => this.#requests.add(1, { outcome: "answered" }),
      (error) => {
        const overloaded = (error as Error).name === "OverloadedError";
        this.#refuse(request, overloaded ? "overloaded" : "failed", error);
      },
    );
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

  /**
   * Orders, logs what will be shown, and answers once the log has it. It need not wait for the disk: an impression lies
   * before its actions in one partition, so an action that was accepted as durable keeps its impression.
   */
  async #answer(request: Rank, features: FeatureBatch): Promise<void> {
    const { scores, predictions, cold, modelVersion, learnedThroughMs } = await this.#scorer.ask(
      { kind: "score", features },
      this.#remaining(request),
    );
    const tasks = this.#options.taskNames.length;
    const rows = orderByScore(scores).subarray(0, request.limit);
    const items: RankedItem[] = [];
    for (const row of rows) {
      const { id } = request.candidates[row];
      const item = { id, score: scores[row], cold: cold[row] === 1 };
      items.push(tasks === 1 ? item : { ...item, predictions: this.#byTask(predictions, row) });
    }
    const explained = request.explain
      ? await this.#explained(request, items, features, rows)
      : items;
    const rankingId = request.rankingId ?? this.#context.random.uuid();
    const partition = eventPartition(rankingId, this.#eventLog.partitions);
    const impression = encodeEvent({
      kind: "impression",
      rankingId,
      atMs: request.atMs,
      acceptedAtMs: this.#context.clock.nowMs(),
      user: request.user,
      shown: this.#impressionRows.write({
        candidates: request.candidates,
        features,
        predictions,
        rows,
      }),
    });
    await this.#eventLog.append(partition, [impression], "written");
    this.#context.reply(request, { rankingId, items: explained, modelVersion, learnedThroughMs });
  }

  #byTask(predictions: Float32Array, row: number): Record<string, number> {
    const { taskNames } = this.#options;
    const first = row * taskNames.length;
    return Object.fromEntries(
      taskNames.map((name, task) => [name, predictions[first + task]] as const),
    );
  }

  async #explained(
    request: Rank,
    items: readonly RankedItem[],
    features: FeatureBatch,
    rows: Uint32Array,
  ): Promise<RankedItem[]> {
    const { slots, denseWidth } = this.#options.schema;
    const explanations = await this.#scorer.ask(
      { kind: "explain", features: pickRows(features, rows, slots.length, denseWidth) },
      this.#remaining(request),
    );
    return items.map((item, i) => ({ ...item, explanation: explanations[i] }));
  }

  #refuse(request: Rank, outcome: string, error: unknown): void {
    this.#requests.add(1, { outcome });
    this.#context.replyError(request, error instanceof Error ? error : new Error(String(error)));
  }
}

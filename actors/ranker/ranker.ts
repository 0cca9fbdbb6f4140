/**
 * The ranker's behaviour. One ranking, end to end:
 *
 *     features from request and profiles          request_features.ts
 *       → scores, predictions, cold               scorer: lookup, pooling, forward pass
 *       → order of the items                      ranked_items.ts, ranking_rules.ts
 *       → impression in the event log             impressions.ts
 *       → answer
 *
 * Features are made in the request's turn; everything else runs after it, so that the ranker makes
 * the features of the next request while the scorer works on this one.
 */
import { RankingExistsError } from "../../mesh/ports/shared_rankings.ts";
import type { TraceContext } from "../../mesh/ports/tracing.ts";
import type { ActorContext, ActorRef, AskOptions, Behavior } from "../../mesh/runtime/actor.ts";
import { areAborted, type CancelSignal } from "../../mesh/runtime/cancel_signal.ts";
import { AskCancelledError, OverloadedError } from "../../mesh/runtime/errors.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { Counter } from "../../mesh/ports/telemetry.ts";
import { FeatureTypeError } from "../../kernels/features/errors.ts";
import type { StoredItems } from "../../kernels/features/count_pass.ts";
import { ValuesOfItems } from "../../kernels/features/values_of_items.ts";
import { type FeatureBatch, pickRows } from "../../kernels/features/feature_batch.ts";
import { rowColumnsOf } from "../../kernels/features/schema_fingerprint.ts";
import type { FeatureKeeperMessage } from "../feature_keeper/protocol.ts";
import type { ItemVectors } from "../../rules/marginal_relevance.ts";
import type { RetrieverMessage } from "../retriever/protocol.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import { CandidateSearch, type FoundCandidates, withoutCandidate } from "./candidate_search.ts";
import { Impressions, type ImpressionsParts } from "./impressions.ts";
import type { RankerOptions } from "./options.ts";
import {
  type DescribeItems,
  type Rank,
  type RankedItem,
  type RankerMessage,
  type RankingMessage,
  type Recommend,
  RecommendOffError,
  type RecommendSimilar,
} from "./protocol.ts";
import { type Kept, KeptReader } from "./kept_reader.ts";
import { NewItemCounts } from "./new_item_counts.ts";
import { NewItemSearch } from "./new_item_search.ts";
import { RankingRules } from "./ranking_rules.ts";
import { RequestFeatures } from "./request_features.ts";
import { movedItems, orderByScore, rankedItems, rowsOfShown, withOrigin } from "./ranked_items.ts";

export interface RankerDependencies extends Pick<ImpressionsParts, "eventLog" | "sharedRankings"> {
  readonly profiles: ProfileStore;
}

/** Floats of the bias that follows each vector of `Embedded`. */
const BIAS_FLOATS = 1;

const noRows = new Uint32Array(0);

/** When a request's asker gives up, and the request's trace. */
interface Deadline {
  /** Monotonic ms. */
  readonly atMs: number;
  /** Are aborted where it gives up before. */
  readonly signals: readonly CancelSignal[] | undefined;
  readonly trace: TraceContext | undefined;
}

/** The request that a ranking answers. */
interface Asked {
  readonly replyTo: RankingMessage;
  readonly rankingId: string;
  readonly deadline: Deadline;
  /** The search for candidates; absent for a client's candidates. */
  readonly found?: FoundCandidates;
  readonly orderBySimilarity?: boolean;
  /** Kept features; undefined if there are none or no keeper answered. */
  readonly kept?: Kept | undefined;
}

export class Ranker implements Behavior<RankerMessage> {
  readonly #context: ActorContext<RankerMessage>;
  readonly #options: RankerOptions;
  readonly #scorer: ActorRef<ScorerMessage>;
  readonly #features: RequestFeatures;
  readonly #impressions: Impressions;
  readonly #rules: RankingRules;
  readonly #newItemCounts: NewItemCounts;
  readonly #search: CandidateSearch | undefined;
  readonly #kept: KeptReader;
  readonly #unsubscribe: () => void;
  readonly #requests: Counter;
  /** Rankings with explanations in progress. */
  #explaining = 0;

  constructor(
    context: ActorContext<RankerMessage>,
    options: RankerOptions,
    { profiles, ...logs }: RankerDependencies,
  ) {
    this.#context = context;
    this.#options = options;
    this.#scorer = context.actorRef<ScorerMessage>(options.scorer);
    const storedItems: StoredItems = (ids) =>
      profiles.getMany("item", ids).map((profile) => profile?.attributes);
    const { clock, telemetry } = context;
    const keepers = options.keepers.map((keeper) => context.actorRef<FeatureKeeperMessage>(keeper));
    const { keptSlots, keptByItem, schema } = options;
    this.#kept = new KeptReader({
      keepers,
      budgetMs: options.keptBudgetMs,
      missing: telemetry.counter("cairn_ranker_kept_missing_total", {
        help:
          "Times a ranking goes on without kept features or lists that a keeper did not give in time.",
      }),
      byItem: keptByItem,
      width: schema.keptOfItems?.length ?? 0,
      valuesOfItems: keptSlots.length === 0
        ? undefined
        : new ValuesOfItems(keptSlots, schema, storedItems),
    });
    this.#features = new RequestFeatures(options, { profiles, kept: this.#kept, storedItems });
    const { extractor } = this.#features;
    this.#impressions = new Impressions({ clock, telemetry, ...logs }, {
      ...rowColumnsOf(schema, options.taskNames[0]),
      sharedSlots: extractor.sharedSlots,
      tasks: options.taskNames.length,
    });
    this.#rules = new RankingRules(options, profiles);
    this.#newItemCounts = new NewItemCounts(telemetry);
    let newItems: NewItemSearch | undefined;
    if (options.retriever !== undefined) {
      const retriever = context.actorRef<RetrieverMessage>(options.retriever);
      const { topBy, historyBy } = options;
      newItems = new NewItemSearch({
        retriever,
        kept: this.#kept,
        rules: this.#rules,
        profiles,
      });
      this.#search = new CandidateSearch({
        retriever,
        kept: this.#kept,
        topBy,
        historyBy,
        newItems,
        extractor,
        profiles,
      });
    }
    this.#unsubscribe = profiles.onChanged("item", (id) => {
      this.#features.changed(id);
      if (id !== undefined) newItems?.changed(id);
    });
    this.#requests = telemetry.counter("cairn_ranker_requests_total", {
      help: "Rankings by outcome.",
      labelNames: ["outcome"],
    });
  }

  receive(message: RankerMessage): void {
    switch (message.kind) {
      case "rank":
        return this.#rank(message, {
          replyTo: message,
          rankingId: this.#rankingIdOf(message),
          deadline: this.#deadlineOf(message),
        });
      case "recommend":
      case "recommendSimilar":
        this.#recommend(message, this.#deadlineOf(message));
        return;
      case "describeItems":
        this.#describe(message);
        return;
      case "getStatus":
        this.#scorer.ask({ kind: "getStatus" }, this.#askOptions(this.#deadlineOf(message))).then(
          ({ sharding: _, ...status }) => this.#context.reply(message, status),
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

  /** Finds candidates, then ranks them as those of a client. */
  async #recommend(request: Recommend | RecommendSimilar, deadline: Deadline): Promise<void> {
    try {
      if (this.#search === undefined) throw new RecommendOffError();
      const kept = this.#kept.reads
        ? await this.#kept.read({ ...request, candidates: [] }, this.#askOptions(deadline))
        : undefined;
      const rankingId = this.#rankingIdOf(request);
      const found = await this.#search.find(
        request,
        { rankingId, kept: kept?.user },
        this.#askOptions(deadline),
      );
      const rank: Rank = { ...request, kind: "rank", candidates: found.candidates };
      const orderBySimilarity = request.kind === "recommendSimilar" &&
        request.orderBy === "similarity";
      const asked = { replyTo: request, rankingId, deadline, found, orderBySimilarity };
      await this.#rankFound(rank, asked);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  /** Ranks the candidates that a search found, if there are any. */
  async #rankFound(request: Rank, asked: Asked): Promise<void> {
    const { replyTo } = asked;
    if (request.candidates.length > 0) return this.#rank(request, asked);
    await this.#answerNothing(asked).catch((error) => this.#fail(replyTo, error));
  }

  /** Answers a request that no item fits. Nothing is logged. */
  async #answerNothing({ replyTo, rankingId, deadline }: Asked): Promise<void> {
    const status = await this.#scorer.ask({ kind: "getStatus" }, this.#askOptions(deadline));
    const { modelVersion, learnedThroughMs } = status;
    this.#requests.add(1, { outcome: "answered" });
    this.#context.reply(replyTo, { rankingId, items: [], modelVersion, learnedThroughMs });
  }

  /**
   * Begins a ranking: at once, or after remote profiles and kept features have been read.
   */
  #rank(request: Rank, asked: Asked): void {
    if (this.#features.areLocal) return this.#begin(request, asked, undefined);
    this.#features.read(request, () => this.#askOptions(asked.deadline))
      .then((kept) => this.#begin(request, asked, kept))
      .catch((error) => this.#fail(asked.replyTo, error));
  }

  /** Extracts the features in this turn and leaves the rest to {@link Ranker.#answer}. */
  #begin(request: Rank, asked: Asked, kept: Kept | undefined): void {
    const { replyTo } = asked;
    const { explainingMax } = this.#options;
    // Refused before it is scored: an explanation that would come too late costs other rankings.
    if (request.explain && this.#explaining >= explainingMax) {
      const { address } = this.#context.self;
      const error = new OverloadedError(address, this.#explaining, explainingMax);
      return this.#refuse(replyTo, "overloaded", error);
    }
    let features: FeatureBatch;
    try {
      features = this.#features.extract(request, kept);
    } catch (error) {
      const { found } = asked;
      if (found !== undefined && error instanceof FeatureTypeError && error.source === "item") {
        // Its attributes were stored before a feature of another type read them.
        const left = withoutCandidate(found, error.itemIndex ?? 0);
        this.#rankFound({ ...request, candidates: left.candidates }, { ...asked, found: left });
        return;
      }
      return this.#refuse(replyTo, "refused", error);
    }
    const explaining = request.explain ? 1 : 0;
    this.#explaining += explaining;
    this.#answer(request, { ...asked, kept }, features).then(
      () => this.#requests.add(1, { outcome: "answered" }),
      (error) => this.#fail(replyTo, error),
    ).finally(() => this.#explaining -= explaining);
  }

  /**
   * Scores, orders, logs the impression, and answers once the log has it.
   */
  async #answer(request: Rank, asked: Asked, features: FeatureBatch): Promise<void> {
    const { rankingId, deadline, found } = asked;
    const scored = await this.#scorer.ask({ kind: "score", features }, this.#askOptions(deadline));
    const ordering = asked.orderBySimilarity && found?.similarity || scored.scores;
    const vectors = request.rules?.diversity?.kind === "mmr"
      ? await this.#vectorsOf(features, deadline)
      : undefined;
    const ruled = request.rules && this.#rules.apply(request, request.rules, ordering, {
      rankingId,
      kept: asked.kept,
      ...(vectors && { vectors }),
    });
    const rows = (ruled?.order.rows ?? orderByScore(ordering)).subarray(0, request.limit);
    const ranked = rankedItems(request, scored, rows, this.#options.taskNames);
    const located = found === undefined ? ranked : withOrigin(ranked, rows, found);
    const explained = request.explain && rows.length > 0
      ? await this.#explained(located, deadline, features, rows)
      : located;
    const items = request.explain && ruled !== undefined
      ? this.#rules.explained(explained, rows, ruled)
      : explained;
    const logged = request.learn === false ? noRows : rowsOfShown(request) ?? rows;
    let isLogged = true;
    if (logged.length > 0) {
      const { user, atMs, candidates, awaitShown: awaitsShown } = request;
      const { predictions } = scored;
      const served = { candidates, features, predictions, rows: logged, awaitsShown };
      // The caller's own order has no items that the rules moved.
      const newItems = logged === rows ? ruled?.order.newItems : undefined;
      const { address } = this.#context.self;
      if (!this.#context.shield(asked.replyTo)) {
        if (areAborted(deadline.signals)) throw new AskCancelledError(address);
        throw new Error(`the time for the ranking ${rankingId} is over`);
      }
      isLogged = await this.#impressions.log({
        rankingId,
        user,
        atMs,
        trace: deadline.trace,
        ...served,
        ...(newItems && { newItems: movedItems(newItems.moved, rows) }),
      });
      if (newItems !== undefined) this.#newItemCounts.add(newItems);
    }
    // The features of a ranking that fails are not given back: the scorer may still read them.
    this.#features.giveBack(features);
    const { modelVersion, learnedThroughMs } = scored;
    this.#context.reply(asked.replyTo, {
      rankingId,
      items,
      modelVersion,
      learnedThroughMs,
      ...(!isLogged && { unlogged: true }),
      ...(request.explain && ruled && { removed: this.#rules.removed(request, ruled) }),
      ...(ruled && ruled.skipped.length > 0 && { rulesSkipped: ruled.skipped }),
    });
  }

  async #describe(request: DescribeItems): Promise<void> {
    const { rankingId, user, atMs, logSampleRate } = request;
    const candidates = request.items.map((id) => ({ id }));
    const deadline = this.#deadlineOf(request);
    try {
      const described = { user, atMs, candidates };
      const kept = this.#features.areLocal
        ? undefined
        : await this.#features.read(described, () => this.#askOptions(deadline));
      const features = this.#features.extract(described, kept);
      const predictions = new Float32Array(candidates.length * this.#options.taskNames.length);
      const impression = this.#impressions.encode({
        rankingId,
        user,
        atMs,
        logSampleRate,
        candidates,
        features,
        predictions: predictions.fill(NaN),
        rows: candidates.map((_, row) => row),
      });
      // A message to another thread takes all of an array's buffer, which other records share.
      this.#context.reply(request, impression.slice());
    } catch (error) {
      this.#context.replyError(request, error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** The vectors of the candidates, for rules. */
  async #vectorsOf(features: FeatureBatch, deadline: Deadline): Promise<ItemVectors> {
    const { dim, vectors } = await this.#scorer.ask(
      { kind: "embed", features, of: "items" },
      this.#askOptions(deadline),
    );
    return { dim, stride: dim + BIAS_FLOATS, values: vectors };
  }

  async #explained(
    items: readonly RankedItem[],
    deadline: Deadline,
    features: FeatureBatch,
    rows: Uint32Array,
  ): Promise<RankedItem[]> {
    const { slots, denseWidth } = this.#options.schema;
    const explained = rows.subarray(0, this.#options.explainedItemsMax);
    const explanations = await this.#scorer.ask(
      { kind: "explain", features: pickRows(features, explained, slots.length, denseWidth) },
      this.#askOptions(deadline),
    );
    return items.map((item, i) =>
      i < explanations.length ? { ...item, explanation: explanations[i] } : item
    );
  }

  #rankingIdOf({ rankingId }: RankingMessage): string {
    return rankingId ?? this.#context.random.uuid();
  }

  /** Taken in the request's own turn: once the asker gives up, the context knows no budget. */
  #deadlineOf(request: RankerMessage): Deadline {
    const { clock } = this.#context;
    const signal = this.#context.signalOf(request);
    return {
      atMs: clock.monotonicMs() + this.#context.remainingMs(request),
      signals: signal && [signal],
      trace: this.#context.traceOf(request),
    };
  }

  /** Passes on the remaining budget, the signal and the trace. */
  #askOptions({ atMs, signals, trace }: Deadline): AskOptions {
    return { budgetMs: Math.max(0, atMs - this.#context.clock.monotonicMs()), signals, trace };
  }

  #fail(request: RankingMessage, error: unknown): void {
    const outcome = error instanceof AskCancelledError
      ? "cancelled"
      : (error as Error).name === "OverloadedError"
      ? "overloaded"
      : error instanceof RankingExistsError
      ? "refused"
      : "failed";
    this.#refuse(request, outcome, error);
  }

  #refuse(request: RankingMessage, outcome: string, error: unknown): void {
    this.#requests.add(1, { outcome });
    this.#context.replyError(request, error instanceof Error ? error : new Error(String(error)));
  }
}

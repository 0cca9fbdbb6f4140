/**
 * The retriever's behaviour: vectors of all stored items, and searches among them.
 *
 * The vectors come from the scorer, which sums the embeddings of an item's features. A new or
 * changed item is embedded at once. As the model learns, all vectors are computed again, one chunk
 * after another, in a share of the time; candidates are scored by the live model afterwards, so an
 * old vector costs a candidate at most.
 */
import type { ActorContext, ActorRef, Behavior } from "../../mesh/runtime/actor.ts";
import type { Gauge } from "../../mesh/ports/telemetry.ts";
import { CandidateIndex, type SearchOrder } from "../../kernels/embedding/candidate_index.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { ScorerMessage } from "../scorer/protocol.ts";
import { Bitmap } from "./bitmap.ts";
import { HeldItems, type ItemIndex } from "./held_items.ts";
import { type AppliedFilters, ItemFilters } from "./item_filters.ts";
import type { RetrieverOptions } from "./options.ts";
import {
  type PutItems,
  type Retrieve,
  type Retrieved,
  type RetrieverMessage,
  type RetrieverSource,
  type RetrieverState,
  type RetrieveSimilar,
  type SampleItems,
  UnknownItemError,
} from "./protocol.ts";
import { RecentItems } from "./recent_items.ts";

/** Items that are embedded together. */
const CHUNK_ITEMS = 512;
/** Time for the scorer to embed a chunk, ms. */
const EMBED_BUDGET_MS = 2_000;
/** Pause after a chunk that could not be embedded, ms. */
const RETRY_MS = 250;
/** Least pause between two chunks of a sweep, ms. */
const SWEEP_PAUSE_MS_MIN = 20;
/** Least time from the begin of one sweep over all items to the next, ms. */
const SWEEP_MS_MIN = 500;
/** Factor on the items that a search with filters looks for, since filters remove some of them. */
const OVERSAMPLING = 4;

export class Retriever implements Behavior<RetrieverMessage> {
  readonly #context: ActorContext<RetrieverMessage>;
  readonly #options: RetrieverOptions;
  readonly #scorer: ActorRef<ScorerMessage>;
  readonly #extractor: FeatureExtractor;
  readonly #incarnation: string;
  readonly #items: HeldItems;
  readonly #filters: ItemFilters;
  readonly #recent: RecentItems;
  readonly #index: CandidateIndex;
  /** Items whose vectors are computed. */
  readonly #embedded = new Bitmap();
  /** All items. */
  readonly #held = new Bitmap();
  /** Items that have come since the listing under way began; undefined without one. */
  #listed: Bitmap | undefined;
  /** Items that are new or changed since they were embedded. */
  readonly #changed = new Set<ItemIndex>();
  #embeddedCount = 0;
  /** The next item of the sweep. */
  #sweepAt = 0;
  #sweepBeganAtMs = 0;
  #refresh: { cancel(): void } | undefined;
  #refreshing = false;
  readonly #itemsHeld: Gauge;

  constructor(context: ActorContext<RetrieverMessage>, options: RetrieverOptions) {
    this.#context = context;
    this.#options = options;
    this.#scorer = context.actorRef<ScorerMessage>(options.scorer);
    this.#extractor = new FeatureExtractor(options.schema, FeatureHasher.create());
    this.#incarnation = context.random.uuid();
    this.#items = new HeldItems(options.itemsMax, readAttributes(options));
    this.#filters = new ItemFilters(this.#items, options.attributeTypes);
    this.#recent = new RecentItems(this.#items, options.recentBy);
    this.#index = new CandidateIndex(options.dim, options.itemsMax);
    this.#itemsHeld = context.telemetry.gauge("cairn_retriever_items", {
      help: "Items among which recommendations are searched.",
    });
    this.#refreshIn(0);
  }

  receive(message: RetrieverMessage): void {
    switch (message.kind) {
      case "putItems":
        return this.#put(message);
      case "getState":
        return this.#context.reply(message, this.#state());
      case "retrieve":
        this.#retrieve(message, this.#context.remainingMs(message));
        return;
      case "retrieveSimilar":
        this.#retrieveSimilar(message, this.#context.remainingMs(message));
        return;
      case "sampleItems":
        return this.#sample(message);
      case "refreshVectors":
        return this.#refreshVectors();
      default:
        message satisfies never;
    }
  }

  stop(): void {
    this.#refresh?.cancel();
  }

  #state(): RetrieverState {
    return {
      incarnation: this.#incarnation,
      items: this.#items.size,
      embedded: this.#embeddedCount,
      waiting: this.#changed.size,
      leftOut: this.#items.leftOut,
    };
  }

  #put(message: PutItems): void {
    const { items, listing } = message;
    if (listing?.begins) this.#listed = new Bitmap();
    for (const { id, attributes } of items) {
      if (attributes === undefined) {
        this.#delete(id);
        continue;
      }
      const index = this.#items.put(id, attributes);
      if (index === undefined) continue;
      this.#held.set(index, true);
      this.#listed?.set(index, true);
      this.#changed.add(index);
      this.#recent.changed(index);
      this.#filters.changed(index);
    }
    if (listing?.ends) this.#deleteUnlisted();
    this.#itemsHeld.set(this.#items.size);
    this.#context.reply(message, this.#state());
    if (this.#changed.size > 0 && !this.#refreshing) this.#refreshIn(0);
  }

  #delete(id: string): void {
    const index = this.#items.delete(id);
    if (index === undefined) return;
    this.#held.set(index, false);
    this.#changed.delete(index);
    this.#markEmbedded(index, false);
    this.#recent.changed(index);
    this.#filters.changed(index);
  }

  /** Deletes the items that have not come since the listing began. */
  #deleteUnlisted(): void {
    const listed = this.#listed;
    this.#listed = undefined;
    if (listed === undefined) return; // the listing began before this incarnation
    for (let index = 0; index < this.#items.end; index++) {
      if (this.#held.has(index) && !listed.has(index)) this.#delete(this.#items.idOf(index));
    }
  }

  #markEmbedded(index: ItemIndex, value: boolean): void {
    if (this.#embedded.has(index) !== value) this.#embeddedCount += value ? 1 : -1;
    this.#embedded.set(index, value);
  }

  /** Waits for the scorer outside the request's turn, so that other requests go on. */
  async #retrieve(request: Retrieve, budgetMs: number): Promise<void> {
    try {
      const found = new Map<ItemIndex, { sources: RetrieverSource[]; score: number }>();
      const add = (index: ItemIndex, source: RetrieverSource, score: number) => {
        const known = found.get(index);
        if (known === undefined) found.set(index, { sources: [source], score });
        else known.sources.push(source);
      };
      // Before any search: an item may be deleted meanwhile, and another get its index.
      const query = request.sources.includes("model")
        ? await this.#embed(request.features, "users", budgetMs)
        : undefined;
      for (const source of request.sources) {
        if (source === "recent" || query === undefined) {
          for (const index of this.#newest(request)) add(index, source, NaN);
          continue;
        }
        // The user's bias is the same for each item, so the search leaves it out.
        const { indices, scores } = this.#search(query, "innerProduct", request);
        indices.forEach((index, i) => add(index, source, scores[i]));
      }
      this.#answer(request, [...found].map(([index, each]) => ({ index, ...each })));
    } catch (error) {
      this.#context.replyError(request, error as Error);
    }
  }

  async #retrieveSimilar(request: RetrieveSimilar, budgetMs: number): Promise<void> {
    const item = this.#items.indexOf(request.item);
    try {
      if (item === undefined) throw new UnknownItemError(request.item);
      const features = this.#featuresOf([item]);
      if (features.batch.rows === 0) throw new UnknownItemError(request.item);
      const query = await this.#embed(features.batch, "items", budgetMs);
      const { indices, scores } = this.#search(query, "cosine", request, item);
      const found = indices.map((index, i) => {
        return { index, sources: ["model"] as const, score: scores[i] };
      });
      this.#answer(request, found);
    } catch (error) {
      this.#context.replyError(request, error as Error);
    }
  }

  #answer(
    request: Retrieve | RetrieveSimilar,
    found: readonly { index: ItemIndex; sources: readonly RetrieverSource[]; score: number }[],
  ): void {
    const answer: Retrieved = {
      items: found.map(({ index, sources }) => ({ id: this.#items.idOf(index), sources })),
      scores: Float32Array.from(found, ({ score }) => score),
    };
    this.#context.reply(request, answer, [answer.scores.buffer]);
  }

  #sample(request: SampleItems): void {
    const { mask, rest } = this.#filters.apply(request.filter, this.#held);
    const ids = Bitmap.spaced(mask, request.count, request.draw)
      .filter((index) => this.#filters.meets(index, rest, request.scope))
      .map((index) => this.#items.idOf(index));
    this.#context.reply(request, { ids });
  }

  async #embed(
    features: FeatureBatch,
    of: "items" | "users",
    budgetMs: number,
  ): Promise<Float32Array<ArrayBuffer>> {
    const { vectors } = await this.#scorer.ask({ kind: "embed", features, of }, { budgetMs });
    return vectors;
  }

  /** The nearest items that meet the filter, the best first. */
  #search(
    query: Float32Array,
    order: SearchOrder,
    request: Pick<Retrieve, "count" | "filter" | "scope">,
    without?: ItemIndex,
  ): { readonly indices: number[]; readonly scores: number[] } {
    const { mask, rest } = this.#filters.apply(request.filter, this.#embedded);
    if (without !== undefined) mask[without >>> 5] &= ~(1 << (without & 31));
    const { count } = request;
    if (rest.length > 0) {
      const found = this.#index.search({ query, mask, order, count: OVERSAMPLING * count });
      const meeting = [...found.indices.keys()]
        .filter((i) => this.#filters.meets(found.indices[i], rest, request.scope))
        .slice(0, count);
      if (meeting.length === count || found.indices.length < OVERSAMPLING * count) {
        return {
          indices: meeting.map((i) => found.indices[i]),
          scores: meeting.map((i) => found.scores[i]),
        };
      }
      // Few items meet the filter: it is applied to each of them once, and then searched.
      this.#filters.narrow(mask, rest, request.scope);
    }
    const found = this.#index.search({ query, mask, order, count });
    return { indices: [...found.indices], scores: [...found.scores] };
  }

  #newest(request: Retrieve): ItemIndex[] {
    const filters: AppliedFilters = this.#filters.apply(request.filter, this.#held);
    return this.#recent.newest(request.count, (index) => {
      const isAllowed = (filters.mask[index >>> 5] >>> (index & 31) & 1) === 1;
      return isAllowed && this.#filters.meets(index, filters.rest, request.scope);
    });
  }

  #refreshIn(delayMs: number): void {
    this.#refresh?.cancel();
    this.#refresh = this.#context.schedule(delayMs, { kind: "refreshVectors" });
  }

  /** Embeds the next chunk while other messages are handled, and schedules the one after it. */
  #refreshVectors(): void {
    if (this.#refreshing) return;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    const { indices, sweeps } = this.#nextChunk(beganAtMs);
    if (indices.length === 0) return this.#refreshIn(SWEEP_MS_MIN);
    this.#refreshing = true;
    this.#embedItems(indices).then(
      () => {
        const tookMs = clock.monotonicMs() - beganAtMs;
        const { refreshShare } = this.#options;
        const pauseMs = Math.max(SWEEP_PAUSE_MS_MIN, tookMs * (1 / refreshShare - 1));
        this.#continueIn(this.#changed.size > 0 || !sweeps ? 0 : pauseMs);
      },
      () => {
        // The scorer may have no weights yet, or the replicas no rows.
        if (!sweeps) { for (const index of indices) this.#changed.add(index); }
        this.#continueIn(RETRY_MS);
      },
    );
  }

  #continueIn(delayMs: number): void {
    this.#refreshing = false;
    if (this.#context.isCurrent) this.#refreshIn(delayMs);
  }

  /** Changed items first, then the items that the sweep has reached. */
  #nextChunk(nowMs: number): { readonly indices: ItemIndex[]; readonly sweeps: boolean } {
    const indices: ItemIndex[] = [];
    for (const index of this.#changed) {
      if (indices.length === CHUNK_ITEMS) break;
      indices.push(index);
      this.#changed.delete(index);
    }
    if (indices.length > 0) return { indices, sweeps: false };
    if (this.#sweepAt >= this.#items.end) {
      if (nowMs < this.#sweepBeganAtMs + SWEEP_MS_MIN) return { indices, sweeps: true };
      this.#sweepAt = 0;
      this.#sweepBeganAtMs = nowMs;
    }
    while (this.#sweepAt < this.#items.end && indices.length < CHUNK_ITEMS) {
      if (this.#held.has(this.#sweepAt)) indices.push(this.#sweepAt);
      this.#sweepAt++;
    }
    return { indices, sweeps: true };
  }

  async #embedItems(indices: readonly ItemIndex[]): Promise<void> {
    const { batch, items } = this.#featuresOf(indices);
    if (items.length === 0) return;
    const ids = items.map((index) => this.#items.idOf(index));
    const vectors = await this.#embed(batch, "items", EMBED_BUDGET_MS);
    this.#index.write(items, vectors);
    items.forEach((index, i) => {
      // The item may have been deleted meanwhile, and another have got its index.
      if (this.#items.indexOf(ids[i]) === index) this.#markEmbedded(index, true);
    });
  }

  /** Features of items. An item whose attributes no feature can be made of is left out. */
  #featuresOf(indices: readonly ItemIndex[]): { batch: FeatureBatch; items: ItemIndex[] } {
    const items = [...indices];
    while (true) {
      try {
        const batch = this.#extractor.extract({
          user: "",
          userAttributes: {},
          context: {},
          atMs: 0,
          items: items.map((index) => ({
            id: this.#items.idOf(index),
            fields: this.#items.attributesOf(index),
          })),
        });
        return { batch, items };
      } catch (error) {
        const { name, itemIndex } = error as Error & { readonly itemIndex?: number };
        if (name !== "FeatureTypeError" || itemIndex === undefined) throw error;
        items.splice(itemIndex, 1);
      }
    }
  }
}

function* readAttributes({ schema, attributeTypes }: RetrieverOptions): Iterable<string> {
  yield* Object.keys(attributeTypes.item);
  for (const slot of schema.slots) {
    if ("attribute" in slot && slot.source === "item") yield slot.attribute;
  }
}

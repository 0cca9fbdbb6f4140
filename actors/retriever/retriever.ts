/**
 * The retriever's behaviour: holds all stored items, and finds candidates among them by their
 * vectors (item_vectors.ts), by the conditions of filters, and by time.
 */
import type { ActorContext, AskOptions, Behavior } from "../../mesh/runtime/actor.ts";
import type { Gauge } from "../../mesh/ports/telemetry.ts";
import type { SearchOrder } from "../../kernels/embedding/candidate_index.ts";
import { Bitmap } from "./bitmap.ts";
import { HeldItems, type ItemIndex } from "./held_items.ts";
import { ItemFilters } from "./item_filters.ts";
import { ItemVectors } from "./item_vectors.ts";
import type { RetrieverOptions } from "./options.ts";
import {
  ItemsUnreadError,
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

/** Factor on the items that a search with filters looks for, since filters remove some of them. */
const OVERSAMPLING = 4;

export class Retriever implements Behavior<RetrieverMessage> {
  readonly #context: ActorContext<RetrieverMessage>;
  readonly #incarnation: string;
  readonly #items: HeldItems;
  readonly #filters: ItemFilters;
  readonly #recent: RecentItems;
  readonly #vectors: ItemVectors;
  /** All items. */
  readonly #held = new Bitmap();
  /** Items that have come since the listing under way began; undefined without one. */
  #listed: Bitmap | undefined;
  #isComplete = false;
  readonly #itemsHeld: Gauge;

  constructor(context: ActorContext<RetrieverMessage>, options: RetrieverOptions) {
    this.#context = context;
    this.#incarnation = context.random.uuid();
    this.#items = new HeldItems(options.itemsMax, readAttributes(options));
    this.#filters = new ItemFilters(this.#items, options.attributeTypes);
    this.#recent = new RecentItems(this.#items, options.recentBy);
    this.#vectors = new ItemVectors({ context, options, items: this.#items, held: this.#held });
    this.#itemsHeld = context.telemetry.gauge("cairn_retriever_items", {
      help: "Items among which recommendations are searched.",
    });
  }

  receive(message: RetrieverMessage): void {
    switch (message.kind) {
      case "putItems":
        return this.#put(message);
      case "getState":
        return this.#context.reply(message, this.#state());
      case "retrieve":
        this.#retrieve(message, this.#askOptions(message));
        return;
      case "retrieveSimilar":
        this.#retrieveSimilar(message, this.#askOptions(message));
        return;
      case "sampleItems":
        return this.#sample(message);
      case "refreshVectors":
        return this.#vectors.refreshVectors();
      default:
        message satisfies never;
    }
  }

  stop(): void {
    this.#vectors.stop();
  }

  #state(): RetrieverState {
    return {
      incarnation: this.#incarnation,
      isComplete: this.#isComplete,
      items: this.#items.size,
      embedded: this.#vectors.embeddedCount,
      waiting: this.#vectors.waiting,
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
      this.#vectors.changed(index);
      this.#recent.changed(index);
      this.#filters.changed(index);
    }
    if (listing?.ends) this.#deleteUnlisted();
    this.#itemsHeld.set(this.#items.size);
    this.#context.reply(message, this.#state());
    this.#vectors.embedChanged();
  }

  #delete(id: string): void {
    const index = this.#items.delete(id);
    if (index === undefined) return;
    this.#held.set(index, false);
    this.#vectors.deleted(index);
    this.#recent.changed(index);
    this.#filters.changed(index);
  }

  /** Deletes the items that have not come since the listing began. */
  #deleteUnlisted(): void {
    const listed = this.#listed;
    this.#listed = undefined;
    if (listed === undefined) return; // the listing began before this incarnation
    this.#isComplete = true;
    for (let index = 0; index < this.#items.end; index++) {
      if (this.#held.has(index) && !listed.has(index)) this.#delete(this.#items.idOf(index));
    }
  }

  /** Passes on the remaining budget and the signal. */
  #askOptions(request: Retrieve | RetrieveSimilar): AskOptions {
    const signal = this.#context.signalOf(request);
    return { budgetMs: this.#context.remainingMs(request), signals: signal && [signal] };
  }

  /** Waits for the scorer outside the request's turn, so that other requests go on. */
  async #retrieve(request: Retrieve, options: AskOptions): Promise<void> {
    try {
      const found = new Map<ItemIndex, { sources: RetrieverSource[]; score: number }>();
      const add = (index: ItemIndex, source: RetrieverSource, score: number) => {
        const known = found.get(index);
        if (known === undefined) found.set(index, { sources: [source], score });
        else known.sources.push(source);
      };
      // Before any search: an item may be deleted meanwhile, and another get its index.
      const query = request.sources.includes("model")
        ? await this.#vectors.embed(request.features, "users", options)
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

  async #retrieveSimilar(request: RetrieveSimilar, options: AskOptions): Promise<void> {
    const item = this.#items.indexOf(request.item);
    try {
      if (item === undefined) {
        throw new (this.#isComplete ? UnknownItemError : ItemsUnreadError)(request.item);
      }
      const features = this.#vectors.featuresOf([item]);
      if (features.batch.rows === 0) throw new UnknownItemError(request.item);
      const query = await this.#vectors.embed(features.batch, "items", options);
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

  /** The nearest items that meet the filter, the best first. */
  #search(
    query: Float32Array,
    order: SearchOrder,
    request: Pick<Retrieve, "count" | "filter" | "scope">,
    without?: ItemIndex,
  ): { readonly indices: number[]; readonly scores: number[] } {
    const { mask, rest } = this.#filters.apply(request.filter, this.#vectors.embedded);
    if (without !== undefined) Bitmap.delete(mask, without);
    const { count } = request;
    if (rest.length > 0) {
      const found = this.#vectors.search({ query, mask, order, count: OVERSAMPLING * count });
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
    const found = this.#vectors.search({ query, mask, order, count });
    return { indices: [...found.indices], scores: [...found.scores] };
  }

  #newest(request: Retrieve): ItemIndex[] {
    const { mask, rest } = this.#filters.apply(request.filter, this.#held);
    return this.#recent.newest(
      request.count,
      (index) => Bitmap.has(mask, index) && this.#filters.meets(index, rest, request.scope),
    );
  }
}

function* readAttributes({ schema, attributeTypes }: RetrieverOptions): Iterable<string> {
  yield* Object.keys(attributeTypes.item);
  for (const slot of schema.slots) {
    if ("attribute" in slot && slot.source === "item") yield slot.attribute;
  }
}

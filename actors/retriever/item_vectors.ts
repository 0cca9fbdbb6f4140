/**
 * The vectors of a retriever's items, and searches among them.
 *
 * The vectors come from the scorer, which sums the embeddings of an item's features. A new or
 * changed item is embedded at once; where shards are away, a new one without their rows, as it is
 * ranked, and again and again until they are back. As the model learns, all vectors are computed
 * again, one chunk after another, in a share of the time; candidates are scored by the live model
 * afterwards, so an old vector costs a candidate at most.
 */
import type { ActorContext, ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import { CandidateIndex } from "../../kernels/embedding/candidate_index.ts";
import { FeatureHasher } from "../../kernels/embedding/feature_hasher.ts";
import { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { FeatureBatch } from "../../kernels/features/feature_batch.ts";
import type { Embedded, ScorerMessage } from "../scorer/protocol.ts";
import { Bitmap } from "./bitmap.ts";
import type { HeldItems, ItemIndex } from "./held_items.ts";
import type { RetrieverOptions } from "./options.ts";
import type { RetrieverMessage } from "./protocol.ts";

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

export interface ItemVectorsParts {
  readonly context: ActorContext<RetrieverMessage>;
  readonly options: RetrieverOptions;
  readonly items: HeldItems;
  /** All items. */
  readonly held: Bitmap;
}

export class ItemVectors {
  readonly #context: ActorContext<RetrieverMessage>;
  readonly #options: RetrieverOptions;
  readonly #items: HeldItems;
  readonly #held: Bitmap;
  readonly #scorer: ActorRef<ScorerMessage>;
  readonly #extractor: FeatureExtractor;
  readonly #index: CandidateIndex;
  /** Items whose vectors are computed. */
  readonly embedded = new Bitmap();
  /** Items that are new or changed since they were embedded. */
  readonly #changed = new Set<ItemIndex>();
  /**
   * Items that were embedded while shards were away, and the number of shards whose rows their
   * vectors lack; 0 where they kept an earlier vector.
   */
  readonly #lacking = new Map<ItemIndex, number>();
  #embeddedCount = 0;
  /** The next item of the sweep. */
  #sweepAt = 0;
  #sweepBeganAtMs = 0;
  #refresh: { cancel(): void } | undefined;
  #refreshing = false;

  constructor({ context, options, items, held }: ItemVectorsParts) {
    this.#context = context;
    this.#options = options;
    this.#items = items;
    this.#held = held;
    this.#scorer = context.actorRef<ScorerMessage>(options.scorer);
    this.#extractor = new FeatureExtractor(options.schema, FeatureHasher.create());
    this.#index = new CandidateIndex(options.dim, options.itemsMax);
    this.#refreshIn(0);
  }

  /** Items whose vectors are computed. */
  get embeddedCount(): number {
    return this.#embeddedCount;
  }

  /** Items that are new or changed and wait for their vectors. */
  get waiting(): number {
    return this.#changed.size + this.#lacking.size;
  }

  /** An item is new, or its attributes changed. {@link embedChanged} embeds it. */
  changed(index: ItemIndex): void {
    this.#changed.add(index);
  }

  deleted(index: ItemIndex): void {
    this.#changed.delete(index);
    this.#lacking.delete(index);
    this.#markEmbedded(index, false);
  }

  /** Embeds the changed items soon, if there are any. */
  embedChanged(): void {
    if (this.#changed.size > 0 && !this.#refreshing) this.#refreshIn(0);
  }

  stop(): void {
    this.#refresh?.cancel();
  }

  /** The nearest items of a mask; see {@link CandidateIndex.search}. */
  search(request: Parameters<CandidateIndex["search"]>[0]): ReturnType<CandidateIndex["search"]> {
    return this.#index.search(request);
  }

  /** The scorer's vectors of rows of features. */
  async embed(
    features: FeatureBatch,
    of: "items" | "users",
    options: AskOptions,
  ): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#embed(features, of, options)).vectors;
  }

  async #embed(
    features: FeatureBatch,
    of: "items" | "users",
    options: AskOptions,
  ): Promise<Embedded> {
    return await this.#scorer.ask({ kind: "embed", features, of }, options);
  }

  #markEmbedded(index: ItemIndex, value: boolean): void {
    if (this.embedded.has(index) !== value) this.#embeddedCount += value ? 1 : -1;
    this.embedded.set(index, value);
  }

  #refreshIn(delayMs: number): void {
    this.#refresh?.cancel();
    this.#refresh = this.#context.schedule(delayMs, { kind: "refreshVectors" });
  }

  /** Embeds the next chunk while other messages are handled, and schedules the one after it. */
  refreshVectors(): void {
    if (this.#refreshing) return;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    const { indices, sweeps } = this.#nextChunk(beganAtMs);
    if (indices.length === 0) return this.#refreshIn(SWEEP_MS_MIN);
    this.#refreshing = true;
    this.#embedItems(indices).then(
      (shardsAway) => {
        const tookMs = clock.monotonicMs() - beganAtMs;
        const { refreshShare } = this.#options;
        const pauseMsMin = shardsAway > 0 ? RETRY_MS : SWEEP_PAUSE_MS_MIN;
        const pauseMs = Math.max(pauseMsMin, tookMs * (1 / refreshShare - 1));
        const isUrgent = this.#changed.size > 0 || !sweeps && shardsAway === 0;
        this.#continueIn(isUrgent ? 0 : pauseMs);
      },
      () => {
        // The scorer may have no weights yet, or the replicas no rows.
        for (const index of sweeps ? [] : indices) {
          if (this.#held.has(index) && !this.#lacking.has(index)) this.#changed.add(index);
        }
        this.#continueIn(RETRY_MS);
      },
    );
  }

  #continueIn(delayMs: number): void {
    this.#refreshing = false;
    if (this.#context.isCurrent) this.#refreshIn(delayMs);
  }

  /** Changed items first, then those that lack rows, then those that the sweep has reached. */
  #nextChunk(nowMs: number): { readonly indices: ItemIndex[]; readonly sweeps: boolean } {
    const indices: ItemIndex[] = [];
    for (const index of this.#changed) {
      if (indices.length === CHUNK_ITEMS) break;
      indices.push(index);
      this.#changed.delete(index);
    }
    if (indices.length === 0) indices.push(...this.#lacking.keys().take(CHUNK_ITEMS));
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

  /** Resolves with the number of shards whose rows were away. */
  async #embedItems(indices: readonly ItemIndex[]): Promise<number> {
    const { batch, items } = this.featuresOf(indices);
    if (items.length < indices.length) {
      for (const index of indices) if (!items.includes(index)) this.#lacking.delete(index);
    }
    if (items.length === 0) return 0;
    const ids = items.map((index) => this.#items.idOf(index));
    const { dim, vectors, shardsAway } = await this.#embed(batch, "items", {
      budgetMs: EMBED_BUDGET_MS,
    });
    const width = dim + 1;
    if (shardsAway === 0) this.#index.write(items, vectors);
    items.forEach((index, i) => {
      // The item may have been deleted meanwhile, and another have got its index.
      if (this.#items.indexOf(ids[i]) !== index) return;
      const lacks = this.embedded.has(index) ? this.#lacking.get(index) ?? 0 : Infinity;
      this.#lacking.delete(index);
      if (shardsAway > 0) {
        this.#lacking.set(index, Math.min(lacks, shardsAway));
        // A vector that lacks rows is better than none, and worse than one that lacks fewer.
        if (lacks < shardsAway) return;
        this.#index.write([index], vectors.subarray(i * width, (i + 1) * width));
      }
      this.#markEmbedded(index, true);
    });
    return shardsAway;
  }

  /** Features of items. An item whose attributes no feature can be made of is left out. */
  featuresOf(indices: readonly ItemIndex[]): { batch: FeatureBatch; items: ItemIndex[] } {
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

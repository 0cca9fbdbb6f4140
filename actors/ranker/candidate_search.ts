/**
 * Finds the candidates of a recommendation: asks the retriever, and adds new items, if a rule gives
 * them a share, and the items that rules pin.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import type { Attributes, ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { FeatureExtractor } from "../../kernels/features/extractor.ts";
import type { RetrieverMessage } from "../retriever/protocol.ts";
import type { Kept, KeptReader } from "./kept_reader.ts";
import type { NewItemSearch } from "./new_item_search.ts";
import type { RankerOptions } from "./options.ts";
import type { Candidate, CandidateSource, Recommend, RecommendSimilar } from "./protocol.ts";

/** Candidates of a ranking at most. */
const CANDIDATES_MAX = 500;

/** Candidates, with the sources and the similarity of each. */
export interface FoundCandidates {
  readonly candidates: readonly Candidate[];
  /** By candidate. */
  readonly sources: readonly (readonly CandidateSource[])[];
  /** Cosine by candidate; undefined unless similar items were asked for. */
  readonly similarity: Float32Array | undefined;
}

/** The candidates without one of them. */
export function withoutCandidate(
  { candidates, sources, similarity }: FoundCandidates,
  index: number,
): FoundCandidates {
  return {
    candidates: candidates.toSpliced(index, 1),
    sources: sources.toSpliced(index, 1),
    similarity: similarity?.filter((_, i) => i !== index),
  };
}

export class CandidateSearch {
  readonly #retriever: ActorRef<RetrieverMessage>;
  readonly #extractor: FeatureExtractor;
  readonly #profiles: ProfileStore;

  readonly #kept: KeptReader;
  readonly #topBy: RankerOptions["topBy"];
  readonly #historyBy: string | undefined;
  readonly #newItems: NewItemSearch;

  constructor({ retriever, kept, topBy, historyBy, newItems, extractor, profiles }: {
    readonly retriever: ActorRef<RetrieverMessage>;
    readonly kept: KeptReader;
    readonly topBy: RankerOptions["topBy"];
    readonly historyBy: string | undefined;
    readonly newItems: NewItemSearch;
    readonly extractor: FeatureExtractor;
    readonly profiles: ProfileStore;
  }) {
    this.#retriever = retriever;
    this.#kept = kept;
    this.#topBy = topBy;
    this.#historyBy = historyBy;
    this.#newItems = newItems;
    this.#extractor = extractor;
    this.#profiles = profiles;
  }

  /**
   * @param rankingId Decides which new items are candidates.
   * @param kept The kept features of the user; undefined if there are none.
   * @throws {UnknownItemError} Items similar to an item that is not stored are asked for.
   * @throws {FeatureTypeError} An attribute of the request is not of the type that its slot reads.
   */
  async find(
    request: Recommend | RecommendSimilar,
    { rankingId, kept }: {
      readonly rankingId: string;
      readonly kept: Kept["user"] | undefined;
    },
    options: AskOptions,
  ): Promise<FoundCandidates> {
    const { user, userFields, context, atMs, candidates: count, rules } = request;
    const pins = (rules?.pin ?? []).map(({ item }) => item);
    await Promise.all([
      this.#profiles.load("user", [user]),
      this.#profiles.load("item", pins),
    ]);
    const stored = this.#profiles.get("user", user)?.attributes;
    const attributes: Attributes = { ...stored, ...kept, ...userFields };
    const scope = { user: attributes, context, nowMs: atMs };
    const filter = rules?.filter ?? [];
    if (request.kind === "recommendSimilar") {
      const { item } = request;
      const retrieved = await this.#retriever.ask(
        { kind: "retrieveSimilar", item, count, filter, scope },
        options,
      );
      return this.#found(retrieved.items, request, retrieved.scores);
    }
    const features = this.#extractor.extract({
      user,
      userAttributes: attributes,
      context,
      atMs,
      items: [{ id: "", fields: {} }],
    });
    const sources = request.sources.filter((source) => source === "model" || source === "recent");
    const tops = (["popular", "trending"] as const)
      .filter((source) => request.sources.includes(source));
    const history = request.sources.includes("history")
      ? this.#storedOf(historyOf(kept, this.#historyBy).slice(0, count))
      : [];
    const newItems = rules?.newItems;
    const [fresh, { items }, ...topLists] = await Promise.all([
      newItems === undefined
        ? []
        : this.#newItems.find({ request, newItems, rankingId, scope }, options),
      sources.length === 0 ? { items: [] } : this.#retriever.ask(
        { kind: "retrieve", features, sources, count, filter, scope },
        options,
      ),
      ...tops.map((source) => this.#top(source, count, atMs, options)),
    ]);
    const found = new Map(items.map(({ id, sources }) => [id, [...sources] as CandidateSource[]]));
    const add = (list: readonly string[], source: CandidateSource) => {
      for (const id of list) {
        const known = found.get(id);
        if (known === undefined) found.set(id, [source]);
        else known.push(source);
      }
    };
    topLists.forEach((list, i) => add(list, tops[i]));
    add(await history, "history");
    add(fresh, "new");
    const all = [...found].map(([id, sources]) => ({ id, sources }));
    return this.#found(all, request, undefined);
  }

  /** The stored items among those with the greatest values of a kept feature, over all keepers. */
  async #top(
    source: "popular" | "trending",
    count: number,
    atMs: number,
    options: AskOptions,
  ): Promise<string[]> {
    const feature = this.#topBy[source];
    if (feature === undefined) return [];
    return await this.#storedOf(await this.#kept.top({ feature, count, atMs }, options));
  }

  /** The items that are stored: a keeper has any id, also of an item that was deleted since. */
  async #storedOf(items: readonly string[]): Promise<string[]> {
    await this.#profiles.load("item", [...items]);
    const stored = this.#profiles.getMany("item", [...items]);
    return items.filter((_, i) => stored[i] !== undefined);
  }

  /** A pinned item has the similarity 0 unless it was found. */
  #found(
    items: readonly { readonly id: string; readonly sources: readonly CandidateSource[] }[],
    { rules }: Recommend | RecommendSimilar,
    scores: Float32Array | undefined,
  ): FoundCandidates {
    const isFound = new Set(items.map(({ id }) => id));
    const pins = (rules?.pin ?? []).map(({ item }) => item).filter((item) => !isFound.has(item));
    const stored = this.#profiles.getMany("item", pins);
    const pinned = pins.filter((_, i) => stored[i] !== undefined);
    // New items are few, and the rule about them needs some.
    const fresh = items.filter(({ sources }) => sources.length === 1 && sources[0] === "new");
    const others = fresh.length === 0 ? items : items.filter((item) => !fresh.includes(item));
    const kept = [...others.slice(0, CANDIDATES_MAX - pinned.length - fresh.length), ...fresh];
    const candidates = [...kept.map(({ id }) => ({ id })), ...pinned.map((id) => ({ id }))];
    let similarity: Float32Array | undefined;
    if (scores !== undefined) {
      similarity = new Float32Array(candidates.length);
      similarity.set(scores.subarray(0, kept.length));
    }
    return {
      candidates,
      sources: [...kept.map(({ sources }) => sources), ...pinned.map(() => [])],
      similarity,
    };
  }
}

function historyOf(kept: Kept["user"] | undefined, name: string | undefined): readonly string[] {
  const history = name === undefined ? undefined : kept?.[name];
  return Array.isArray(history) ? history : [];
}

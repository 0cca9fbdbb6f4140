/**
 * Finds new items for a recommendation, by the condition of its rule about them: samples of all
 * stored items, the items stored last, and new items that earlier requests found.
 *
 * The retriever applies the condition as far as stored attributes tell. A condition on kept
 * features, such as the number of impressions, is evaluated here for the sampled items.
 */
import type { ActorRef, AskOptions } from "../../mesh/runtime/actor.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";
import type { FilterScope } from "../../rules/compile_expression.ts";
import { draw } from "../../rules/new_item_positions.ts";
import type { NewItems } from "../../rules/rule_set.ts";
import type { RetrieverMessage } from "../retriever/protocol.ts";
import type { KeptReader } from "./kept_reader.ts";
import { NewItemPool } from "./new_item_pool.ts";
import type { Recommend } from "./protocol.ts";
import type { RankingRules } from "./ranking_rules.ts";

/** Items of the whole catalogue, and of the pool, that a request looks at. */
const SAMPLED = 256;
/** New items that become candidates of a request at most. */
const FOUND_MAX = 100;

/** A request with the rule about new items and its id. */
export interface NewItemRequest {
  readonly request: Recommend;
  readonly newItems: NewItems;
  readonly rankingId: string;
  readonly scope: FilterScope;
}

export interface NewItemSearchParts {
  readonly retriever: ActorRef<RetrieverMessage>;
  readonly kept: KeptReader;
  readonly rules: RankingRules;
  readonly profiles: ProfileStore;
}

export class NewItemSearch {
  readonly #retriever: ActorRef<RetrieverMessage>;
  readonly #kept: KeptReader;
  readonly #rules: RankingRules;
  readonly #profiles: ProfileStore;
  readonly #pool = new NewItemPool();

  constructor({ retriever, kept, rules, profiles }: NewItemSearchParts) {
    this.#retriever = retriever;
    this.#kept = kept;
    this.#rules = rules;
    this.#profiles = profiles;
  }

  /** Follows a change of a stored item. */
  changed(id: string): void {
    this.#pool.changed(id);
  }

  /** Ids of new items, as many as the ranking may need and a few more. */
  async find(
    { request, newItems, rankingId, scope }: NewItemRequest,
    options: AskOptions,
  ): Promise<string[]> {
    const { when, share, top = request.limit } = newItems;
    const sampled = await this.#retriever.ask({
      kind: "sampleItems",
      count: SAMPLED,
      draw: draw(`${rankingId} sample`),
      filter: [...request.rules?.filter ?? [], when],
      scope,
    }, options);
    const pooled = this.#pool.sample(when, rankingId, SAMPLED);
    const looked = [...new Set([...sampled.ids, ...pooled])];
    await this.#profiles.load("item", looked);
    const stored = this.#profiles.getMany("item", looked);
    const candidates = looked.filter((_, i) => stored[i] !== undefined).map((id) => ({ id }));
    const { user, atMs } = request;
    const kept = this.#kept.reads
      ? await this.#kept.read({ user, atMs, candidates }, options)
      : undefined;
    // Without the numbers of the keepers it is not known which items are new.
    if (this.#kept.reads && kept === undefined) return [];
    const areNew = this.#rules.newAmong({ ...request, candidates }, { newItems }, kept)
      .map(({ id }) => id);
    this.#pool.learn(when, looked, new Set(areNew));
    const positions = Math.ceil(share * Math.min(top, request.limit));
    const count = Math.min(FOUND_MAX, 2 * positions + 8);
    const from = Math.floor(draw(`${rankingId} new`) * areNew.length);
    return [...areNew.slice(from), ...areNew.slice(0, from)].slice(0, count);
  }
}

/**
 * Searches for the items with the greatest values of the features that are asked for. Each search
 * runs in steps, in a share of the keeper's time; requests meanwhile get the result before it.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { KeptState } from "./kept_state.ts";
import type { FeatureKeeperMessage, TopItems } from "./protocol.ts";
import type { TopSearch } from "./top_search.ts";

/** Items of a result. */
const TOP_MAX = 500;
/** Least time between the begins of two searches for one feature, ms. */
const INTERVAL_MS = 1_000;
/** Items that a step looks at: about a millisecond. */
const STEP_ITEMS = 1_000;
/** Greatest share of a keeper's time that the steps take. */
const STEPS_SHARE = 1 / 10;

interface FeatureSearch {
  /** The result of the last complete search; before its end, of the first one so far. */
  top: TopItems;
  /** The search under way. */
  search: TopSearch | undefined;
  beganAtMs: number;
}

export class TopSearches {
  readonly #context: ActorContext<FeatureKeeperMessage>;
  readonly #state: KeptState;
  readonly #searches = new Map<string, FeatureSearch>();
  /** A step is scheduled. */
  #awaitsStep = false;

  constructor(context: ActorContext<FeatureKeeperMessage>, state: KeptState) {
    this.#context = context;
    this.#state = state;
  }

  /**
   * The items of a feature, as they are known.
   *
   * @param atMs Time of the windows of a new search, ms.
   */
  of(feature: string, atMs: number): TopItems {
    const nowMs = this.#context.clock.monotonicMs();
    let found = this.#searches.get(feature);
    if (found === undefined) {
      found = { top: { items: [], values: [] }, search: undefined, beganAtMs: -Infinity };
      this.#searches.set(feature, found);
    }
    if (found.search === undefined && nowMs >= found.beganAtMs + INTERVAL_MS) {
      const isFirst = found.beganAtMs === -Infinity;
      found.search = this.#state.topSearch(feature, TOP_MAX, atMs);
      found.beganAtMs = nowMs;
      this.#step(found);
      if (isFirst && found.search !== undefined) found.top = found.search.top;
    }
    return found.top;
  }

  /** Takes the next step of a search. */
  step(): void {
    this.#awaitsStep = false;
    for (const found of this.#searches.values()) {
      if (found.search !== undefined) return this.#step(found);
    }
  }

  #step(found: FeatureSearch): void {
    const { search } = found;
    if (search === undefined) return;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    if (search.step(STEP_ITEMS)) {
      found.top = search.top;
      found.search = undefined;
    }
    const isUnderWay = [...this.#searches.values()].some(({ search }) => search !== undefined);
    if (!isUnderWay || this.#awaitsStep) return;
    this.#awaitsStep = true;
    const tookMs = clock.monotonicMs() - beganAtMs;
    this.#context.schedule(tookMs * (1 / STEPS_SHARE - 1), { kind: "searchTop" });
  }
}

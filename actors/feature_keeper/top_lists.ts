/**
 * The lists of the items with the greatest values of the features that are asked for. Each list is
 * made again in steps, in a share of the keeper's time; requests meanwhile get the list before it.
 */
import type { ActorContext } from "../../mesh/runtime/actor.ts";
import type { KeptState } from "./kept_state.ts";
import type { FeatureKeeperMessage, TopItems } from "./protocol.ts";
import type { TopSearch } from "./top_search.ts";

/** Items of a list. */
const TOP_MAX = 500;
/** Least time between the begins of two searches for a list, ms. */
const INTERVAL_MS = 1_000;
/** Items that a step looks at: about a millisecond. */
const STEP_ITEMS = 1_000;
/** Greatest share of a keeper's time that the steps take. */
const STEPS_SHARE = 1 / 10;

interface TopList {
  /** The result of the last complete search; before its end, of the first one so far. */
  top: TopItems;
  /** The search under way. */
  search: TopSearch | undefined;
  beganAtMs: number;
}

export class TopLists {
  readonly #context: ActorContext<FeatureKeeperMessage>;
  readonly #state: KeptState;
  readonly #lists = new Map<string, TopList>();
  /** A step is scheduled. */
  #awaitsStep = false;

  constructor(context: ActorContext<FeatureKeeperMessage>, state: KeptState) {
    this.#context = context;
    this.#state = state;
  }

  /** The list of a feature, as it is known. @param atMs Time of the windows for a new list, ms. */
  of(feature: string, atMs: number): TopItems {
    const nowMs = this.#context.clock.monotonicMs();
    let list = this.#lists.get(feature);
    if (list === undefined) {
      list = { top: { items: [], values: [] }, search: undefined, beganAtMs: -Infinity };
      this.#lists.set(feature, list);
    }
    if (list.search === undefined && nowMs >= list.beganAtMs + INTERVAL_MS) {
      const isFirst = list.beganAtMs === -Infinity;
      list.search = this.#state.topSearch(feature, TOP_MAX, atMs);
      list.beganAtMs = nowMs;
      this.#step(list);
      if (isFirst && list.search !== undefined) list.top = list.search.top;
    }
    return list.top;
  }

  /** Takes the next step of a search. */
  step(): void {
    this.#awaitsStep = false;
    for (const list of this.#lists.values()) {
      if (list.search !== undefined) return this.#step(list);
    }
  }

  #step(list: TopList): void {
    const { search } = list;
    if (search === undefined) return;
    const { clock } = this.#context;
    const beganAtMs = clock.monotonicMs();
    if (search.step(STEP_ITEMS)) {
      list.top = search.top;
      list.search = undefined;
    }
    const isUnderWay = [...this.#lists.values()].some(({ search }) => search !== undefined);
    if (!isUnderWay || this.#awaitsStep) return;
    this.#awaitsStep = true;
    const tookMs = clock.monotonicMs() - beganAtMs;
    this.#context.schedule(tookMs * (1 / STEPS_SHARE - 1), { kind: "searchTop" });
  }
}

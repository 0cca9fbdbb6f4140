/**
 * Rules over a ranking as plain data: those of a request, or of a scenario in the configuration.
 */

/** Multiplies the score of the items that meet a condition. */
export interface Boost {
  readonly when: string;
  /** Above 0; below 1 it lowers the items. A negative score is divided by it. */
  readonly factor: number;
}

/** Puts an item at a position. */
export interface Pin {
  readonly item: string;
  /** From 1. */
  readonly position: number;
}

/** Leaves items out that the user has seen, or has acted on. */
export interface Exclude {
  /** `shown`: shown by a ranking; else the name of an action. */
  readonly what: string;
  /** Time before the request, ms. */
  readonly withinMs: number;
}

/** At most `max` items with the same value of an attribute among the first `top` positions. */
export interface DiversityCap {
  readonly kind: "cap";
  /** An attribute of items. */
  readonly by: string;
  /** From 1. */
  readonly max: number;
  /** From 1; absent = all positions. */
  readonly top?: number | undefined;
}

/** Maximal marginal relevance over the vectors of the items; see marginal_relevance.ts. */
export interface DiversityByVectors {
  readonly kind: "mmr";
  /** Weight of the score against the difference from the items before, 0 to 1. */
  readonly lambda: number;
  /** From 1; absent = all positions. */
  readonly top?: number | undefined;
}

/** Spreads items. */
export type Diversity = DiversityCap | DiversityByVectors;

/** Lowers items that were just shown to the user. */
export interface Rotation {
  /** Time before the request, ms. */
  readonly withinMs: number;
  /** Share of its score that an item loses, 0 to 1. */
  readonly penalty: number;
}

/** Gives a share of the first positions to new items; see new_item_positions.ts. */
export interface NewItems {
  /** Condition on an item that is new. */
  readonly when: string;
  /** Share of the positions, 0 to 1, on average over rankings. */
  readonly share: number;
  /** From 1; absent = all positions that are shown. */
  readonly top?: number | undefined;
}

/** Rules, in the order in which they apply. */
export interface RuleSet {
  readonly exclude?: readonly Exclude[];
  /** Conditions; an item must meet all of them. */
  readonly filter?: readonly string[];
  readonly boost?: readonly Boost[];
  readonly rotation?: Rotation;
  readonly diversity?: Diversity;
  readonly newItems?: NewItems;
  readonly pin?: readonly Pin[];
}

/**
 * The rules of a scenario together with those of a request: lists add up, and diversity, rotation
 * and new items of the request replace those of the scenario. A pin of the request replaces a pin
 * of the scenario at the same position or of the same item.
 */
export function mergedRules(scenario: RuleSet, request: RuleSet): RuleSet {
  const pins = request.pin ?? [];
  const kept = (scenario.pin ?? []).filter((pin) =>
    pins.every(({ item, position }) => item !== pin.item && position !== pin.position)
  );
  return {
    ...scenario,
    ...request,
    exclude: [...scenario.exclude ?? [], ...request.exclude ?? []],
    filter: [...scenario.filter ?? [], ...request.filter ?? []],
    boost: [...scenario.boost ?? [], ...request.boost ?? []],
    pin: [...pins, ...kept],
  };
}

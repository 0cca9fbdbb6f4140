/**
 * The ranker's side of rules: gathers the attributes that they read, applies them to the scores,
 * and says which items they moved and left out.
 */
import type { Attributes, ProfileStore } from "../../mesh/ports/profile_store.ts";
import { applyRules, movesOf, type RuledOrder } from "../../rules/apply_rules.ts";
import { type CompiledRules, RuleCompiler } from "../../rules/compiled_rules.ts";
import type { ItemVectors } from "../../rules/marginal_relevance.ts";
import { SHOWN } from "../../rules/rule_errors.ts";
import type { RuleSet } from "../../rules/rule_set.ts";
import type { Kept } from "./kept_reader.ts";
import type { RankerOptions } from "./options.ts";
import type { Candidate, HistoryRule, Rank, RankedItem, RemovedItem } from "./protocol.ts";
import { orderByScore } from "./ranked_items.ts";

/** Rules with the order that they gave. */
export interface AppliedRules {
  readonly rules: RuleSet;
  readonly order: RuledOrder;
  /** Rules that lacked the user's history. */
  readonly skipped: readonly HistoryRule[];
}

const nothing: Attributes = {};

export class RankingRules {
  readonly #compiler: RuleCompiler;
  readonly #profiles: ProfileStore;
  readonly #removedItemsMax: number;
  readonly #keptOfItems: readonly string[];

  constructor(
    { attributeTypes, removedItemsMax, schema }: Pick<
      RankerOptions,
      "attributeTypes" | "removedItemsMax" | "schema"
    >,
    profiles: ProfileStore,
  ) {
    this.#keptOfItems = schema.keptOfItems ?? [];
    this.#compiler = new RuleCompiler(attributeTypes);
    this.#profiles = profiles;
    this.#removedItemsMax = removedItemsMax;
  }

  /** @throws {ExpressionError} When a condition is wrong, which the gateway refuses before. */
  apply(
    request: Rank,
    rules: RuleSet,
    scores: Float32Array,
    { rankingId, kept, vectors }: {
      readonly rankingId: string;
      readonly kept?: Kept | undefined;
      readonly vectors?: ItemVectors;
    },
  ): AppliedRules {
    const compiled = this.#compiler.compile(rules);
    const { candidates, limit, user, userFields, context, atMs } = request;
    const order = applyRules(
      {
        rankingId,
        limit,
        ids: candidates.map(({ id }) => id),
        scores,
        ...this.#itemAttributes(request, compiled, kept),
        ...(kept && rowsByHistory(request, rules, kept)),
        vectors,
        user: { ...this.#profiles.get("user", user)?.attributes, ...kept?.user, ...userFields },
        context,
        nowMs: atMs,
      },
      compiled,
      orderByScore,
    );
    return { rules, order, skipped: kept === undefined ? historyRulesOf(request, rules) : [] };
  }

  /**
   * The candidates that are new, by a rule about new items.
   *
   * @param kept Kept features of the candidates.
   */
  newAmong(
    request: Pick<Rank, "candidates" | "user" | "userFields" | "context" | "atMs">,
    rules: RuleSet,
    kept: Kept | undefined,
  ): Candidate[] {
    const compiled = this.#compiler.compile(rules);
    const { isNew } = compiled;
    if (isNew === undefined) return [];
    const { candidates, user, userFields, context, atMs } = request;
    const { attributes = [] } = this.#itemAttributes({ candidates }, compiled, kept);
    const scope = {
      user: { ...this.#profiles.get("user", user)?.attributes, ...kept?.user, ...userFields },
      context,
      nowMs: atMs,
    };
    return candidates.filter((_, i) => isNew({ ...scope, item: attributes[i] ?? nothing }));
  }

  /** The items of `rows` with the moves that rules made of them. */
  explained(
    items: readonly RankedItem[],
    rows: Uint32Array,
    { rules, order }: AppliedRules,
  ): RankedItem[] {
    return items.map((item, i) => {
      const moves = movesOf(rows[i], order).map(({ boosts, ...move }) => ({
        ...move,
        ...(boosts && { boosts: boosts.map((boost) => rules.boost?.[boost].when ?? "") }),
      }));
      return moves.length === 0 ? item : { ...item, moves };
    });
  }

  /** Items that the rules left out, in the order of the request. */
  removed({ candidates }: Rank, { order }: AppliedRules): RemovedItem[] {
    return order.removed.slice(0, this.#removedItemsMax)
      .map(({ row, by }) => ({ id: candidates[row].id, by }));
  }

  #itemAttributes(
    { candidates }: Pick<Rank, "candidates">,
    { readsItems }: CompiledRules,
    kept: Kept | undefined,
  ): { readonly attributes?: readonly Attributes[] } {
    if (!readsItems) return {};
    const stored = this.#profiles.getMany("item", candidates.map(({ id }) => id));
    const attributes = candidates.map(({ fields }, i) => {
      const own = stored[i]?.attributes ?? nothing;
      return fields === undefined && this.#keptOfItems.length === 0
        ? own
        : this.#withKept({ ...own, ...fields }, i, kept);
    });
    return { attributes };
  }

  /**
   * Puts the kept numbers of a candidate among its attributes. As for the model, a sent or stored
   * attribute of the same name is not read.
   */
  #withKept(
    attributes: Record<string, Attributes[string]>,
    row: number,
    kept: Kept | undefined,
  ): Attributes {
    this.#keptOfItems.forEach((name, i) => {
      const value = kept?.items[row * this.#keptOfItems.length + i] ?? NaN;
      if (!Number.isNaN(value)) attributes[name] = value;
      else if (Object.hasOwn(attributes, name)) delete attributes[name];
    });
    return attributes;
  }
}

/** The rules that read the history of the request's user, where it names one. */
function historyRulesOf({ user }: Rank, { exclude = [], rotation }: RuleSet): HistoryRule[] {
  if (user === "") return [];
  return [
    ...(exclude.length > 0 ? ["exclude" as const] : []),
    ...(rotation ? ["rotation" as const] : []),
  ];
}

/** The candidates that `exclude` leaves out and that `rotation` lowers. */
function rowsByHistory(
  { candidates, atMs }: Rank,
  { exclude = [], rotation }: RuleSet,
  { histories }: Kept,
): { readonly excluded?: Uint8Array; readonly rotated?: Uint8Array } {
  const within = (action: string, withinMs: number) => {
    const { items = [], atMs: times = [] } = histories[action] ?? {};
    return new Set(items.filter((_, i) => times[i] > atMs - withinMs));
  };
  const marked = (sets: readonly ReadonlySet<string>[]) =>
    Uint8Array.from(candidates, ({ id }) => Number(sets.some((set) => set.has(id))));
  return {
    ...(exclude.length > 0 && {
      excluded: marked(exclude.map(({ what, withinMs }) => within(what, withinMs))),
    }),
    ...(rotation && { rotated: marked([within(SHOWN, rotation.withinMs)]) }),
  };
}

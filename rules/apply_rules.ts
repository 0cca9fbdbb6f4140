/**
 * Applies rules to scored items: which items stay, and in which order.
 *
 *     exclude, filter → boost, rotation → order by score → diversity → new items → pins
 */
import type { Attributes } from "../mesh/ports/profile_store.ts";
import type { CompiledRules } from "./compiled_rules.ts";
import { capped, fitsCap } from "./diversity_cap.ts";
import { byMarginalRelevance, type ItemVectors } from "./marginal_relevance.ts";
import { type NewItemPositions, withNewItems } from "./new_item_positions.ts";
import type { NewItems, RuleSet } from "./rule_set.ts";

/** Scored items of one request; entry i of each array is item i. */
export interface ScoredItems {
  readonly rankingId: string;
  /** Positions that are shown; absent = all. */
  readonly limit?: number | undefined;
  readonly ids: readonly string[];
  readonly scores: ArrayLike<number>;
  /** Stored attributes with those of the request; undefined if no rule reads them. */
  readonly attributes?: readonly Attributes[];
  readonly user: Attributes;
  readonly context: Attributes;
  readonly nowMs: number;
  /** Vectors of the items; undefined if no rule reads them. */
  readonly vectors?: ItemVectors | undefined;
  /** 1 for an item that an `exclude` rule leaves out; absent = none is. */
  readonly excluded?: ArrayLike<number>;
  /** 1 for an item that `rotation` lowers; absent = none is. */
  readonly rotated?: ArrayLike<number>;
}

/** A rule that can move an item. */
export type MovingRule = "boost" | "rotation" | "diversity" | "newItems" | "pin";

/** The order after the rules. */
export interface RuledOrder {
  /** Indices of the items that stay, in their order. */
  readonly rows: Uint32Array;
  /** Indices of the items that were left out, with the rule. */
  readonly removed: readonly { readonly row: number; readonly by: "exclude" | "filter" }[];
  /** The order after each rule that changed it, from the order by score on. */
  readonly steps: readonly { readonly by: MovingRule | "score"; readonly rows: Uint32Array }[];
  /** Indices of the boosts that an item meets, by item; without boosts empty. */
  readonly boosted: ReadonlyMap<number, readonly number[]>;
  /** The positions of new items; absent without a rule about them. */
  readonly newItems?: Omit<NewItemPositions, "rows">;
}

const nothing: Attributes = {};

/** @param orderBy The indices of scores, best first; see `orderByScore`. */
export function applyRules(
  items: ScoredItems,
  compiled: CompiledRules,
  orderBy: (scores: Float32Array) => Uint32Array,
): RuledOrder {
  const { rules, filters, boosts } = compiled;
  const removed: { row: number; by: "exclude" | "filter" }[] = [];
  const boosted = new Map<number, readonly number[]>();
  const kept: number[] = [];
  const byModel: number[] = [];
  const byBoost: number[] = [];
  const byRotation: number[] = [];
  const isNew = new Set<number>();
  const scope = { item: nothing, user: items.user, context: items.context, nowMs: items.nowMs };
  for (let row = 0; row < items.ids.length; row++) {
    scope.item = items.attributes?.[row] ?? nothing;
    if (items.excluded?.[row] === 1) removed.push({ row, by: "exclude" });
    else if (!filters.every(({ holds }) => holds(scope))) removed.push({ row, by: "filter" });
    else {
      const score = items.scores[row];
      const met = boosts.flatMap(({ holds }, i) => holds(scope) ? [i] : []);
      const lifted = met.reduce((sum, i) => multiplied(sum, boosts[i].factor), score);
      if (met.length > 0) boosted.set(row, met);
      kept.push(row);
      if (compiled.isNew?.(scope)) isNew.add(row);
      byModel.push(score);
      byBoost.push(lifted);
      byRotation.push(items.rotated?.[row] === 1 ? lowered(lifted, rules) : lifted);
    }
  }
  const orderOf = (scores: readonly number[]) =>
    orderBy(Float32Array.from(scores)).map((i) => kept[i]);
  const steps: { by: MovingRule | "score"; rows: Uint32Array }[] = [
    { by: "score", rows: orderOf(byModel) },
  ];
  let rows = steps[0].rows;
  const step = (by: MovingRule, after: Uint32Array) => {
    if (after.some((row, i) => row !== rows[i])) steps.push({ by, rows: after });
    rows = after;
  };
  if (boosted.size > 0) step("boost", orderOf(byBoost));
  if (items.rotated !== undefined) step("rotation", orderOf(byRotation));
  const { diversity, newItems, pin } = rules;
  if (diversity?.kind === "cap") {
    step("diversity", capped(rows, diversity, items.attributes ?? []));
  } else if (diversity?.kind === "mmr" && items.vectors !== undefined) {
    const scoreOf = new Map(kept.map((row, i) => [row, byRotation[i]]));
    const scores = Array.from(rows, (row) => scoreOf.get(row) ?? 0);
    const { lambda, top = rows.length } = diversity;
    step("diversity", byMarginalRelevance({ rows, scores, vectors: items.vectors, lambda, top }));
  }
  const raised = newItems && raisedNewItems(rows, items, rules, { ...newItems, isNew });
  if (raised !== undefined) step("newItems", raised.rows);
  if (pin !== undefined && pin.length > 0) step("pin", pinned(rows, items.ids, pin));
  return { rows, removed, steps, boosted, ...(raised && { newItems: raised }) };
}

/**
 * The order in which new items have their share of the positions that pins do not take. The pinned
 * items stay at their positions until they are pinned. An item that `rotation` lowers is not
 * raised, nor is one beyond the cap of `diversity`.
 */
function raisedNewItems(
  rows: Uint32Array,
  { ids, rankingId, limit = rows.length, attributes = [], rotated }: ScoredItems,
  { pin = [], diversity }: RuleSet,
  { isNew, share, top = rows.length }: NewItems & { readonly isNew: ReadonlySet<number> },
): NewItemPositions {
  const isPinned = new Set(pin.map(({ item }) => item));
  const free = rows.filter((row) => !isPinned.has(ids[row]));
  const ordered = new Set(Array.from(rows, (row) => ids[row]));
  const pinnedAt = pin.filter(({ item }) => ordered.has(item))
    .map(({ position }) => Math.min(position, rows.length));
  /** Number of the first `count` positions that are shown and that pins do not take. */
  const freeOf = (count: number) => {
    const shown = Math.min(count, limit, rows.length);
    const taken = pinnedAt.filter((position) => position <= shown).length;
    return Math.max(0, Math.min(shown - taken, free.length));
  };
  const positions = freeOf(top);
  const capped = diversity?.kind === "cap" ? freeOf(diversity.top ?? rows.length) : 0;
  const ownCapped = new Set(free.subarray(0, capped));
  const raised = withNewItems({
    rows: free,
    ids,
    rankingId,
    share,
    positions,
    isNew: (row) => isNew.has(row),
    mayMove: (row) => rotated?.[row] !== 1,
    fits: (row, first, moved) => {
      if (diversity?.kind !== "cap") return true;
      const head = new Set([row, ...first.slice(0, capped), ...moved]);
      // The cap may be on more positions: items behind the first ones are there too.
      const behind = free.filter((each) => !head.has(each)).slice(
        0,
        Math.max(0, capped - positions),
      );
      const all = [...head, ...behind];
      // The item that makes room lets others up, which need room too.
      return all.filter((each) => each === row || !ownCapped.has(each)).every((each) =>
        fitsCap(each, all.filter((other) => other !== each), diversity, attributes)
      );
    },
  });
  const next = raised.rows.values();
  return {
    ...raised,
    rows: rows.map((row) => isPinned.has(ids[row]) ? row : next.next().value ?? row),
  };
}

/** A boost raises negative scores too. */
function multiplied(score: number, factor: number): number {
  return score < 0 ? score / factor : score * factor;
}

/** The score after `rotation`; a penalty of 1 puts the item behind all others. */
function lowered(score: number, { rotation }: RuleSet): number {
  const share = 1 - (rotation?.penalty ?? 0);
  return share === 0 ? -Infinity : multiplied(score, share);
}

/** The order with each pinned item that is in it at its position, or last if there are fewer. */
function pinned(
  rows: Uint32Array,
  ids: readonly string[],
  pins: NonNullable<RuleSet["pin"]>,
): Uint32Array {
  const rowOf = new Map<string, number>();
  for (const row of rows) rowOf.set(ids[row], row);
  const placed = pins.flatMap(({ item, position }) => {
    const row = rowOf.get(item);
    return row === undefined ? [] : [{ row, position }];
  }).sort((a, b) => a.position - b.position);
  const isPlaced = new Set(placed.map(({ row }) => row));
  const order = [...rows].filter((row) => !isPlaced.has(row));
  for (const { row, position } of placed) order.splice(position - 1, 0, row);
  return Uint32Array.from(order);
}

/** The moves of one item: its position, from 1, before and after each rule that changed it. */
export function movesOf(
  row: number,
  { steps, boosted }: RuledOrder,
): {
  readonly rule: MovingRule;
  readonly from: number;
  readonly to: number;
  readonly boosts?: readonly number[];
}[] {
  const moves = [];
  for (let i = 1; i < steps.length; i++) {
    const { by } = steps[i];
    const from = steps[i - 1].rows.indexOf(row) + 1;
    const to = steps[i].rows.indexOf(row) + 1;
    if (from === to || by === "score") continue;
    const boosts = by === "boost" ? boosted.get(row) : undefined;
    moves.push({ rule: by, from, to, ...(boosts && { boosts }) });
  }
  return moves;
}

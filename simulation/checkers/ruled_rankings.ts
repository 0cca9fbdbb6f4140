/**
 * Rules of a request hold in its answer.
 *
 *     ∀ ranking with rules, F = the candidates that meet the filter, by their fields:
 *         items ⊆ F, each once, at most `limit`;  without exclude, as many as there are
 *         the pinned item is at its position in the order that the limit cuts, or last in it
 *         without rotation, diversity and pin:  score · factors of its boosts falls
 *         with a cap of one of each tag, without pin, i among the first `top`:
 *             item i has a tag of an item before it  ⇒  so has each item behind it
 *     at the end:  the item that a user clicked last is not in a ranking that excludes clicks,
 *                  unless Redis has failed over, the log lacked the ranking that the click
 *                  names, or a whole history of clicks came just before
 *
 * The last promise goes through the log: the event is accepted, a feature keeper reads it, and a
 * ranker asks the keeper.
 */
import type { AttributeTypes } from "../../rules/attribute_types.ts";
import { compileCondition } from "../../rules/compile_expression.ts";
import { parseCondition } from "../../rules/parse_expression.ts";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { CheckerFactory } from "./checker.ts";
import { LastClicks } from "./last_clicks.ts";
import type { Serving } from "./serving.ts";

interface Ruled {
  readonly candidates: readonly { readonly id: string; readonly fields: Fields }[];
  readonly limit?: number;
  readonly rules: {
    readonly filter?: string;
    readonly boost?: readonly { readonly when: string; readonly factor: number }[];
    readonly exclude?: unknown;
    readonly rotation?: unknown;
    readonly diversity?: { readonly top: number };
    readonly pin?: readonly { readonly item: string; readonly position: number }[];
  };
}
interface Fields {
  readonly tags: readonly string[];
  readonly price: number;
}
interface RankedItem {
  readonly id: string;
  readonly score: number;
}

/**
 * @param configuration That of the process that runs.
 * @param running The serving processes at the end of the run.
 */
export function ruledRankings(
  configuration: () => CairnConfiguration,
  running: () => readonly Serving[],
): CheckerFactory {
  return (context) => {
    const clicks = new LastClicks(() => context.nowMs());
    return {
      name: "ruled-rankings",
      redisLost: () => clicks.end(),
      replied(reply) {
        clicks.take(reply);
        const { path, status, requestBody, body } = reply;
        if (path !== "/v1/rank" || status !== 200) return;
        if ((requestBody as Partial<Ruled>).rules === undefined) return;
        const { items } = body as { readonly items: readonly RankedItem[] };
        const { attributeTypes } = configuration().gateway;
        const problem = problemOf(requestBody as Ruled, items, attributeTypes);
        if (problem !== undefined) context.fail(`a ranking with rules ${problem}`);
      },
      async atEnd() {
        for (const serving of running()) {
          const shown = await clicks.firstShown(serving);
          if (shown !== undefined) context.fail(shown);
        }
      },
    };
  };
}

/** The promise that an answer breaks, in words. */
function problemOf(
  { candidates, limit = Infinity, rules }: Ruled,
  items: readonly RankedItem[],
  types: AttributeTypes,
): string | undefined {
  const conditionOf = (text: string) => {
    const holds = compileCondition(parseCondition(text, types));
    return (item: Fields) => holds({ item: { ...item }, user: {}, context: {}, nowMs: 0 });
  };
  const { filter, boost = [], diversity, pin = [] } = rules;
  const meets = filter === undefined ? () => true : conditionOf(filter);
  const left = new Map(
    candidates.filter(({ fields }) => meets(fields)).map(({ id, fields }) => [id, fields]),
  );
  const fields = items.flatMap(({ id }) => left.get(id) ?? []);
  if (fields.length < items.length) return `has an item that its filter ${filter} leaves out`;
  if (new Set(items.map(({ id }) => id)).size < items.length) return "has an item twice";
  if (items.length > limit) return `has ${items.length} items, above its limit ${limit}`;
  const isWhole = rules.exclude === undefined;
  const count = Math.min(left.size, limit);
  if (isWhole && items.length < count) return `has ${items.length} of ${count} items`;
  /** Items in the order that the limit cuts; undefined where the excluded ones are unknown. */
  const ordered = isWhole ? left.size : items.length < limit ? items.length : undefined;
  for (const { item, position } of pin) {
    const index = items.findIndex(({ id }) => id === item);
    const isDue = isWhole && left.has(item) && Math.min(position, left.size) <= items.length;
    if (index < 0 && isDue) return `lacks ${item}, which is pinned to ${position}`;
    const isLast = index === items.length - 1;
    const isRight = ordered === undefined
      ? index === position - 1 || index < position && isLast
      : index === Math.min(position, ordered) - 1;
    if (index >= 0 && !isRight) {
      return `has ${item} at ${index + 1}, which is pinned to ${position}`;
    }
  }
  if (pin.length > 0) return undefined;
  if (diversity !== undefined) {
    for (const { id } of items) left.delete(id);
    return crowdedPosition(fields, diversity.top, isWhole ? [...left.values()] : []);
  }
  if (rules.rotation !== undefined) return undefined;
  const boosts = boost.map(({ when, factor }) => ({ holds: conditionOf(when), factor }));
  const scores = items.map(({ score }, i) =>
    boosts.reduce((sum, { holds, factor }) => holds(fields[i]) ? sum * factor : sum, score)
  );
  const risen = scores.findIndex((score, i) => i > 0 && score > scores[i - 1] * ROUNDING);
  return risen < 0 ? undefined : `has ${scores[risen]} behind ${scores[risen - 1]}`;
}

/** Scores are ordered as floats: products of them may differ by rounding. */
const ROUNDING = 1 + 1e-6;

/**
 * A position whose item has a tag of an item before it, where an item behind it has none.
 *
 * @param cut Items behind all others, which the limit has cut off.
 */
function crowdedPosition(
  items: readonly Fields[],
  top: number,
  cut: readonly Fields[],
): string | undefined {
  for (let i = 0; i < Math.min(top, items.length); i++) {
    const before = new Set(items.slice(0, i).flatMap(({ tags }) => tags));
    const repeats = ({ tags }: Fields) => tags.some((tag) => before.has(tag));
    if (!repeats(items[i])) continue;
    const behind = [...items, ...cut].findIndex((item, j) => j > i && !repeats(item));
    return behind < 0 ? undefined : `has item ${behind + 1} behind item ${i + 1}, against its cap`;
  }
  return undefined;
}

/**
 * The draws of the rule about new items are functions of the ranking's id, and the log tells them.
 *
 *     ∀ durable impression with n items, T = min(top, n):
 *         moved items ≤ ⌊share · T + u(id)⌋,  their positions = the first ones that the id draws
 *         the chance of each is in (0, 1];  without such a rule no item is moved
 *
 * So a ranking that is made again has new items at the same positions, and positions do not
 * depend on items.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { type ImpressionRecord, itemsShown } from "../../records/event_record.ts";
import { drawnPositions, quotaOf } from "../../rules/new_item_positions.ts";
import type { NewItems } from "../../rules/rule_set.ts";
import type { CheckerFactory } from "./checker.ts";
import { decodedEvents } from "./decoded_records.ts";

/** @param configuration Only the rules of its default scenario are about new items. */
export function drawnItems(configuration: () => CairnConfiguration): CheckerFactory {
  return (context) => ({
    name: "drawn-items",
    durable(name, _partition, records) {
      if (name !== "events") return;
      const { scenario, scenarios } = configuration().gateway;
      const rule = scenario === undefined ? undefined : scenarios[scenario].newItems;
      for (const record of decodedEvents(records)) {
        if (record.kind !== "impression") continue;
        const problem = problemOf(record, rule);
        if (problem !== undefined) context.fail(`ranking "${record.rankingId}" ${problem}`);
      }
    },
  });
}

/** The part of an impression that does not hold, in words. */
function problemOf(impression: ImpressionRecord, rule: NewItems | undefined): string | undefined {
  const { rankingId, newItems = [] } = impression;
  if (newItems.length === 0) return undefined;
  if (rule === undefined) return "has moved items without a rule about new items";
  const shown = itemsShown(impression).length;
  const positions = Math.min(rule.top ?? shown, shown);
  const quota = quotaOf(rankingId, rule.share * positions);
  const indices = newItems.map(({ index }) => index);
  if (indices.length > quota) return `moved ${indices.length} items, and its quota is ${quota}`;
  const drawn = drawnPositions(rankingId, positions, indices.length);
  const [has, expected] = [indices, drawn].map((list) => list.toSorted((a, b) => a - b).join(", "));
  return has === expected ? undefined : `has new items at ${has}, and its id draws ${expected}`;
}

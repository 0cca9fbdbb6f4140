/**
 * Items that may be new, by the condition that says so: those stored last, and those that a search
 * found. A condition on kept features cannot be searched for among all items, so requests share the
 * new items that they find in their samples.
 */
import { draw } from "../../rules/new_item_positions.ts";

/** Items that are remembered for a condition; the oldest go. */
const ITEMS_MAX = 2_048;
/** Conditions for which items are remembered, the ones used last. */
const CONDITIONS_MAX = 8;

export class NewItemPool {
  readonly #byCondition = new Map<string, Set<string>>();

  /** Adds an item that was stored or changed. */
  changed(id: string): void {
    for (const items of this.#byCondition.values()) remember(items, id);
  }

  /** Some items, by a draw that the ranking's id decides. */
  sample(condition: string, rankingId: string, count: number): string[] {
    const items = [...this.#itemsOf(condition)];
    if (items.length <= count) return items;
    const from = Math.floor(draw(`${rankingId} pool`) * items.length);
    return Array.from({ length: count }, (_, i) => items[(from + i) % items.length]);
  }

  /** Remembers the new ones of the items that were looked at, and forgets the others. */
  learn(condition: string, looked: readonly string[], areNew: ReadonlySet<string>): void {
    const items = this.#itemsOf(condition);
    for (const id of looked) {
      if (areNew.has(id)) remember(items, id);
      else items.delete(id);
    }
  }

  #itemsOf(condition: string): Set<string> {
    const known = this.#byCondition.get(condition);
    if (known !== undefined) {
      this.#byCondition.delete(condition);
      this.#byCondition.set(condition, known);
      return known;
    }
    if (this.#byCondition.size >= CONDITIONS_MAX) {
      const [oldest] = this.#byCondition.keys();
      this.#byCondition.delete(oldest);
    }
    const items = new Set<string>();
    this.#byCondition.set(condition, items);
    return items;
  }
}

function remember(items: Set<string>, id: string): void {
  items.add(id);
  if (items.size <= ITEMS_MAX) return;
  const [oldest] = items;
  items.delete(oldest);
}

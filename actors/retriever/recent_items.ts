/**
 * The items with the greatest values of a number, such as the time of publication: a list of the
 * first ones, made again when it is needed after a change.
 */
import type { HeldItems, ItemIndex } from "./held_items.ts";

/** Items that the list has. */
const LISTED_MAX = 4_096;

export class RecentItems {
  readonly #items: HeldItems;
  readonly #attribute: string | undefined;
  #listed: ItemIndex[] | undefined;

  /** @param attribute Absent = no item is recent. */
  constructor(items: HeldItems, attribute: string | undefined) {
    this.#items = items;
    this.#attribute = attribute;
  }

  /** Follows a change of any item. */
  changed(): void {
    this.#listed = undefined;
  }

  /** The indices of the newest items, the newest first. */
  get newest(): readonly ItemIndex[] {
    return this.#listed ??= this.#list();
  }

  #list(): ItemIndex[] {
    const attribute = this.#attribute;
    if (attribute === undefined) return [];
    const all: { readonly index: ItemIndex; readonly value: number }[] = [];
    for (let index = 0; index < this.#items.end; index++) {
      if (!this.#items.has(index)) continue;
      const value = this.#items.attributesOf(index)[attribute];
      if (typeof value === "number") all.push({ index, value });
    }
    all.sort((a, b) => b.value - a.value || a.index - b.index);
    return all.slice(0, LISTED_MAX).map(({ index }) => index);
  }
}

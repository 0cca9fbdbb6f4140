/**
 * The items with the greatest values of a number, such as the time of publication: a list of the
 * first ones that follows each change. All items are looked at only when so many items have left
 * the list that it is half as long.
 */
import type { HeldItems, ItemIndex } from "./held_items.ts";

/** Items that the list has. */
const LISTED_MAX = 4_096;

interface Listed {
  readonly index: ItemIndex;
  readonly value: number;
}

export class RecentItems {
  readonly #items: HeldItems;
  readonly #attribute: string | undefined;
  readonly #listedMax: number;
  /** The newest first; undefined where all items have to be looked at. */
  #listed: Listed[] | undefined = [];
  /** Values by index of the items in the list. */
  readonly #values = new Map<ItemIndex, number>();
  /** The newest of the items that are not in the list; undefined if it has all. */
  #newestLeftOut: Listed | undefined;

  /**
   * @param items No items yet.
   * @param attribute Absent = no item is recent.
   */
  constructor(items: HeldItems, attribute: string | undefined, listedMax = LISTED_MAX) {
    this.#items = items;
    this.#attribute = attribute;
    this.#listedMax = listedMax;
  }

  /** Follows a change of the item at an index; each change is told. */
  changed(index: ItemIndex): void {
    const listed = this.#listed;
    if (listed === undefined) return;
    const known = this.#values.get(index);
    const value = this.#valueOf(index);
    if (known === value) return;
    if (known !== undefined) {
      listed.splice(placeOf(listed, { index, value: known }), 1);
      this.#values.delete(index);
    }
    if (value !== undefined) this.#insert(listed, { index, value });
    if (this.#newestLeftOut !== undefined && listed.length < this.#listedMax / 2) {
      this.#listed = undefined;
    }
  }

  /** At most `count` of the newest items that `allows`, the newest first. */
  newest(count: number, allows: (index: ItemIndex) => boolean): ItemIndex[] {
    const found: ItemIndex[] = [];
    for (const { index } of this.#listed ??= this.#list()) {
      if (found.length === count) break;
      if (allows(index)) found.push(index);
    }
    return found;
  }

  #insert(listed: Listed[], item: Listed): void {
    const leftOut = this.#newestLeftOut;
    if (leftOut !== undefined && order(item, leftOut) > 0) return;
    listed.splice(placeOf(listed, item), 0, item);
    this.#values.set(item.index, item.value);
    if (listed.length > this.#listedMax) this.#leaveOut(listed.pop());
  }

  #leaveOut(item: Listed | undefined): void {
    if (item === undefined) return;
    this.#values.delete(item.index);
    const leftOut = this.#newestLeftOut;
    if (leftOut === undefined || order(item, leftOut) < 0) this.#newestLeftOut = item;
  }

  #valueOf(index: ItemIndex): number | undefined {
    if (this.#attribute === undefined) return undefined;
    // Where no item is held, there are no attributes.
    const value = this.#items.attributesOf(index)[this.#attribute];
    return typeof value === "number" ? value : undefined;
  }

  #list(): Listed[] {
    this.#values.clear();
    this.#newestLeftOut = undefined;
    let newest: Listed[] = [];
    const cut = () => {
      newest.sort(order);
      for (const item of newest.slice(this.#listedMax)) this.#leaveOut(item);
      newest = newest.slice(0, this.#listedMax);
    };
    for (let index = 0; index < this.#items.end; index++) {
      const value = this.#valueOf(index);
      if (value === undefined) continue;
      const item = { index, value };
      const leftOut = this.#newestLeftOut;
      if (leftOut === undefined || order(item, leftOut) < 0) newest.push(item);
      if (newest.length === 2 * this.#listedMax) cut();
    }
    cut();
    for (const { index, value } of newest) this.#values.set(index, value);
    return newest;
  }
}

/** The newest first; of equal values, the lower index. */
function order(a: Listed, b: Listed): number {
  return b.value - a.value || a.index - b.index;
}

/** The index in the list at which an item stands, or belongs. */
function placeOf(listed: readonly Listed[], item: Listed): number {
  let [from, to] = [0, listed.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (order(listed[middle], item) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

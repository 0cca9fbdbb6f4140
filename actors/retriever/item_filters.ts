/**
 * Filters over the items of a retriever. A condition on the item alone becomes a bitmap, which is
 * held for the next request and follows each change of an item; other conditions are evaluated for
 * the items that a search finds.
 */
import type { Attributes } from "../../mesh/ports/profile_store.ts";
import type { AttributeTypes } from "../../rules/attribute_types.ts";
import {
  compileCondition,
  type Condition,
  type FilterScope,
  ownersRead,
  readsTime,
} from "../../rules/compile_expression.ts";
import type { Expression } from "../../rules/expression.ts";
import { parseCondition } from "../../rules/parse_expression.ts";
import { Bitmap } from "./bitmap.ts";
import type { HeldItems, ItemIndex } from "./held_items.ts";

/** Most bitmaps that are held: the ones used last. */
const BITMAPS_MAX = 32;

const nothing: Attributes = {};

interface ItemCondition {
  readonly holds: Condition;
  readonly items: Bitmap;
}

/** The filters of one request. */
export interface AppliedFilters {
  /** Bit i: the item at index i may be a candidate. */
  readonly mask: Uint32Array<ArrayBuffer>;
  /** The conditions that the mask does not cover. */
  readonly rest: readonly Condition[];
}

export class ItemFilters {
  readonly #items: HeldItems;
  readonly #types: AttributeTypes;
  /** By text, in the order of use. */
  readonly #conditions = new Map<string, ItemCondition>();

  constructor(items: HeldItems, types: AttributeTypes) {
    this.#items = items;
    this.#types = types;
  }

  /** Follows a change of the item at an index. */
  changed(index: ItemIndex): void {
    const isHeld = this.#items.has(index);
    for (const { holds, items } of this.#conditions.values()) {
      items.set(index, isHeld && holds(this.#scopeOf(index)));
    }
  }

  /**
   * The items that meet all conditions of a request.
   *
   * A condition that reads other attributes, such as kept features, is left to the ranking.
   *
   * @param allowed The items to begin with.
   */
  apply(filter: readonly string[], allowed: Bitmap): AppliedFilters {
    const { end } = this.#items;
    const mask = allowed.words(end).slice();
    const rest: Condition[] = [];
    for (const text of filter) {
      const condition = this.#bitmapOf(text);
      if (typeof condition === "function") rest.push(condition);
      else {
        const words = condition.items.words(end);
        for (let i = 0; i < mask.length; i++) mask[i] &= words[i];
      }
    }
    return { mask, rest };
  }

  /** Whether the item at an index meets the conditions that a mask does not cover. */
  meets(index: ItemIndex, rest: readonly Condition[], scope: FilterScope): boolean {
    if (rest.length === 0) return true;
    const whole = { ...scope, item: this.#items.attributesOf(index) };
    return rest.every((holds) => holds(whole));
  }

  /** Clears the items of a mask that do not meet the conditions that it does not cover. */
  narrow(mask: Uint32Array, rest: readonly Condition[], scope: FilterScope): void {
    const whole = { ...scope, item: nothing };
    for (let index = 0; index < this.#items.end; index++) {
      if (!Bitmap.has(mask, index)) continue;
      whole.item = this.#items.attributesOf(index);
      if (!rest.every((holds) => holds(whole))) Bitmap.delete(mask, index);
    }
  }

  /** The bitmap of a condition on items alone; of another condition, the condition itself. */
  #bitmapOf(text: string): ItemCondition | Condition {
    const known = this.#conditions.get(text);
    if (known !== undefined) {
      this.#conditions.delete(text);
      this.#conditions.set(text, known);
      return known;
    }
    let expression: Expression;
    try {
      expression = parseCondition(text, this.#types);
    } catch {
      return () => true;
    }
    const holds = compileCondition(expression);
    const owners = ownersRead(expression);
    if (owners.has("user") || owners.has("context") || readsTime(expression)) return holds;
    const items = new Bitmap();
    for (let index = 0; index < this.#items.end; index++) {
      if (this.#items.has(index) && holds(this.#scopeOf(index))) items.set(index, true);
    }
    if (this.#conditions.size >= BITMAPS_MAX) {
      const [oldest] = this.#conditions.keys();
      this.#conditions.delete(oldest);
    }
    const condition = { holds, items };
    this.#conditions.set(text, condition);
    return condition;
  }

  #scopeOf(index: ItemIndex) {
    return { item: this.#items.attributesOf(index), user: nothing, context: nothing, nowMs: 0 };
  }
}

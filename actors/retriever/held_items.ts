/**
 * The items of a retriever: an index for each, and the attributes that filters and features read.
 */
import type { Attributes } from "../../mesh/ports/profile_store.ts";

/** An item's index; the next item may get the index of a deleted one. */
export type ItemIndex = number;

export class HeldItems {
  readonly #itemsMax: number;
  readonly #names: ReadonlySet<string>;
  readonly #indexOf = new Map<string, ItemIndex>();
  readonly #ids: string[] = [];
  readonly #attributes: Attributes[] = [];
  readonly #free: ItemIndex[] = [];
  /** Items that found no room. */
  leftOut = 0;

  /** @param names Names of the attributes that are held. */
  constructor(itemsMax: number, names: Iterable<string>) {
    this.#itemsMax = itemsMax;
    this.#names = new Set(names);
  }

  get size(): number {
    return this.#indexOf.size;
  }

  /** Indices in use lie below it. */
  get end(): ItemIndex {
    return this.#ids.length;
  }

  indexOf(id: string): ItemIndex | undefined {
    return this.#indexOf.get(id);
  }

  idOf(index: ItemIndex): string {
    return this.#ids[index];
  }

  attributesOf(index: ItemIndex): Attributes {
    return this.#attributes[index];
  }

  /** Adds an item or replaces its attributes; undefined if there is no room. */
  put(id: string, attributes: Attributes): ItemIndex | undefined {
    let index = this.#indexOf.get(id);
    if (index === undefined) {
      if (this.size >= this.#itemsMax) {
        this.leftOut++;
        return undefined;
      }
      index = this.#free.pop() ?? this.#ids.length;
      this.#indexOf.set(id, index);
      this.#ids[index] = id;
    }
    this.#attributes[index] = this.#readOf(attributes);
    return index;
  }

  /** Removes an item; its former index, or undefined if it was not held. */
  delete(id: string): ItemIndex | undefined {
    const index = this.#indexOf.get(id);
    if (index === undefined) return undefined;
    this.#indexOf.delete(id);
    this.#ids[index] = "";
    this.#attributes[index] = noAttributes;
    this.#free.push(index);
    return index;
  }

  /** Whether an item is held at the index. */
  has(index: ItemIndex): boolean {
    return this.#indexOf.get(this.#ids[index]) === index;
  }

  #readOf(attributes: Attributes): Attributes {
    const read: Record<string, Attributes[string]> = {};
    for (const name of this.#names) {
      if (Object.hasOwn(attributes, name)) read[name] = attributes[name];
    }
    return read;
  }
}

const noAttributes: Attributes = {};

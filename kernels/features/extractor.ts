/**
 * From a request to its features. One code path for serving and for training: what the ranker served is logged
 * and trained on as it was, so there is no skew between the two.
 *
 * The work of a request is a few passes over columns: count the values of each (row, slot), gather the bytes of
 * those that are not cached, hash them in one call, lay the ids out, then hash the crosses (which are made of
 * ids) in a second call. Ids are copied as pairs of 32-bit words and never become BigInt.
 */
import { appendValues, denseValue, type FeatureAttributes } from "./attribute_values.ts";
import { allocateFeatureBatch, type FeatureBatch } from "./feature_batch.ts";
import { type CrossColumn, FeatureColumns } from "./feature_columns.ts";
import { ItemCache } from "./item_cache.ts";
import { timePartOf } from "./numbers.ts";
import type { FeatureSchema } from "./schema.ts";
import { ValueBuffer, type ValueHasher } from "./value_buffer.ts";

export type { FeatureAttributes };

/** All that the features of one ranking are made from. */
export interface FeatureRequest {
  /** The user's id; empty = unknown, and then the user's id is an absent feature. */
  readonly user: string;
  readonly userAttributes: FeatureAttributes;
  readonly context: FeatureAttributes;
  /** Data clock, ms since the Unix epoch. */
  readonly atMs: number;
  /** Row i of the batch is item i. */
  readonly items: readonly FeatureItem[];
}

/** A candidate. */
export interface FeatureItem {
  readonly id: string;
  /** Attributes of this request only, before the stored ones; such an item's features are not kept. */
  readonly fields?: FeatureAttributes;
}

/** Where an extractor finds what is stored about items, and how much it may keep. */
export interface ExtractorOptions {
  /** The items' stored attributes, undefined where there are none. Default: nothing is stored. */
  readonly storedItems?: (ids: readonly string[]) => readonly (FeatureAttributes | undefined)[];
  /** Memory for features of items that are kept between requests, bytes. Default 0: none are. */
  readonly itemCacheBytesMax?: number;
}

const noAttributes: FeatureAttributes = {};
const noneStored = (ids: readonly string[]) => ids.map(() => undefined);

/** Makes features; holds buffers and a cache of items, and is used by one thread. */
export class FeatureExtractor {
  readonly #schema: FeatureSchema;
  readonly #hasher: ValueHasher;
  readonly #storedItems: NonNullable<ExtractorOptions["storedItems"]>;
  readonly #values = new ValueBuffer();
  readonly #cache: ItemCache;
  readonly #columns: FeatureColumns;
  /** Where each row's item is kept in the cache, 0 = not. */
  #places = new Uint32Array(0);
  /** Of a combination's parts among the ids. */
  readonly #positions: Uint32Array;
  /** Counts and dense values of the batch under way, before its number of ids is known. */
  #counts = new Uint32Array(0);
  #dense = new Float32Array(0);

  constructor(schema: FeatureSchema, hasher: ValueHasher, options: ExtractorOptions = {}) {
    this.#schema = schema;
    this.#hasher = hasher;
    this.#storedItems = options.storedItems ?? noneStored;
    this.#cache = new ItemCache(options.itemCacheBytesMax ?? 0);
    this.#columns = new FeatureColumns(schema);
    this.#positions = new Uint32Array(this.#columns.crossPartsMax);
  }

  /** Whether anything but the user's id counts: where it does not, nobody needs to look up what is stored. */
  get readsUsers(): boolean {
    return this.#columns.readsUsers;
  }

  /** Slots whose ids are the same in all rows of a request. */
  get sharedSlots(): number[] {
    return [...this.#columns.sharedBase, ...this.#columns.sharedCrosses].map(({ column }) =>
      column
    );
  }

  /** What is stored about the item has changed. */
  forget(item: string): void {
    this.#cache.forget(item);
  }

  /**
   * The features of a request.
   *
   * @returns One row an item, in the request's order. The arrays are the caller's own.
   * @throws {FeatureTypeError} An attribute is not of the type that its slot reads.
   */
  extract(request: FeatureRequest): FeatureBatch {
    const { items } = request;
    const rows = items.length;
    const { slots: { length: slots }, denseWidth } = this.#schema;
    if (rows === 0) return allocateFeatureBatch({ rows, ids: 0, slots, denseWidth });

    // counts[row * slots + column + 1] is of (row, column); their sums are the offsets.
    const counts = this.#counts = zeros(this.#counts, rows * slots + 1, Uint32Array);
    const counted = this.#dense = zeros(this.#dense, rows * denseWidth, Float32Array);
    this.#values.clear();
    const shared = this.#countShared(request, rows, counts, counted);
    this.#findItems(items);
    this.#countItems(items, counts, counted);
    this.#countCrosses(this.#columns.mixedCrosses, rows, counts);
    const end = rows * slots;
    for (let i = 1; i <= end; i++) counts[i] += counts[i - 1];

    const batch = allocateFeatureBatch({ rows, ids: counts[end], slots, denseWidth });
    const { ids, listOffsets: offsets, dense } = batch;
    offsets.set(counts.subarray(0, offsets.length));
    dense.set(counted.subarray(0, dense.length));
    const words = new Uint32Array(ids.buffer, 0, 2 * ids.length);
    this.#placeBase(this.#values.hash(this.#hasher), shared, rows, offsets, words);
    this.#placeCrosses(rows, offsets, words);
    this.#remember(items, offsets, words, dense);
    return batch;
  }

  /** Encodes what is the same in every row; returns the count of each shared base column. */
  #countShared(
    request: FeatureRequest,
    rows: number,
    offsets: Uint32Array,
    dense: Float32Array,
  ): number[] {
    const slots = this.#schema.slots.length;
    const counts = this.#columns.sharedBase.map(({ slot }) => {
      if (slot.kind === "time") {
        const part = timePartOf(request.atMs, slot.part, slot.utcOffsetMinutes);
        this.#values.addText(slot.slot, String(part));
        return 1;
      }
      const attributes = slot.source === "user" ? request.userAttributes : request.context;
      return appendValues(this.#values, slot, request.user, attributes);
    });
    this.#columns.sharedBase.forEach(({ column }, i) => {
      for (let row = 0; row < rows; row++) offsets[row * slots + column + 1] = counts[i];
    });
    this.#countCrosses(this.#columns.sharedCrosses, rows, offsets);
    for (const { column, definition } of this.#columns.sharedDense) {
      const attributes = definition.source === "user" ? request.userAttributes : request.context;
      const value = denseValue(definition, attributes);
      for (let row = 0; row < rows; row++) dense[row * this.#schema.denseWidth + column] = value;
    }
    return counts;
  }

  #findItems(items: readonly FeatureItem[]): void {
    if (this.#places.length < items.length) this.#places = new Uint32Array(2 * items.length);
    if (items.every(({ fields }) => fields !== undefined)) {
      this.#places.fill(0, 0, items.length);
      return;
    }
    this.#cache.findAll(items, this.#places);
    for (let row = 0; row < items.length; row++) {
      if (items[row].fields !== undefined) this.#places[row] = 0;
    }
  }

  /** Counts each item's own columns, encoding those of items that are not kept. */
  #countItems(items: readonly FeatureItem[], offsets: Uint32Array, dense: Float32Array): void {
    const slots = this.#schema.slots.length;
    const { denseWidth } = this.#schema;
    const { itemBase, itemColumns, itemDense } = this.#columns;
    const { words, floats } = this.#cache;
    const unknown: number[] = [];
    for (let row = 0; row < items.length; row++) {
      const place = this.#places[row];
      if (place === 0) {
        unknown.push(row);
        continue;
      }
      for (let i = 0; i < itemColumns.length; i++) {
        offsets[row * slots + itemColumns[i] + 1] = words[place + i];
      }
      const denseAt = place + itemColumns.length;
      for (let i = 0; i < itemDense.length; i++) {
        dense[row * denseWidth + itemDense[i].column] = floats[denseAt + i];
      }
    }
    if (unknown.length > 0) {
      const stored = this.#storedItems(unknown.map((row) => items[row].id));
      unknown.forEach((row, i) => {
        const { id, fields } = items[row];
        const attributes = fields === undefined
          ? stored[i] ?? noAttributes
          : { ...stored[i], ...fields };
        for (const { column, slot } of itemBase) {
          const count = appendValues(this.#values, slot, id, attributes, row);
          offsets[row * slots + column + 1] = count;
        }
        for (const { column, definition } of itemDense) {
          dense[row * denseWidth + column] = denseValue(definition, attributes, row);
        }
      });
    }
    this.#countCrosses(this.#columns.itemCrosses, items.length, offsets);
  }

  #countCrosses(crosses: readonly CrossColumn[], rows: number, offsets: Uint32Array): void {
    const slots = this.#schema.slots.length;
    for (const { column, slot, parts } of crosses) {
      for (let row = 0; row < rows; row++) {
        let count = 1;
        for (const part of parts) count *= offsets[row * slots + part + 1];
        offsets[row * slots + column + 1] = Math.min(count, slot.valuesMax);
      }
    }
  }

  #placeBase(
    hashed: Uint32Array,
    shared: readonly number[],
    rows: number,
    offsets: Uint32Array,
    words: Uint32Array,
  ): void {
    const slots = this.#schema.slots.length;
    const { itemBase, itemColumns, itemDense, sharedBase } = this.#columns;
    const kept = this.#cache.words;
    let read = 0;
    for (let i = 0; i < shared.length; i++) {
      const { column } = sharedBase[i];
      const end = read + 2 * shared[i];
      for (let row = 0; row < rows; row++) {
        copyWords(hashed, read, end, words, 2 * offsets[row * slots + column]);
      }
      read = end;
    }
    for (let row = 0; row < rows; row++) {
      const place = this.#places[row];
      if (place !== 0) {
        let from = place + itemColumns.length + itemDense.length;
        for (let i = 0; i < itemColumns.length; i++) {
          const end = from + 2 * kept[place + i];
          copyWords(kept, from, end, words, 2 * offsets[row * slots + itemColumns[i]]);
          from = end;
        }
        continue;
      }
      for (let i = 0; i < itemBase.length; i++) {
        const list = row * slots + itemBase[i].column;
        const end = read + 2 * (offsets[list + 1] - offsets[list]);
        copyWords(hashed, read, end, words, 2 * offsets[list]);
        read = end;
      }
    }
  }

  /** Crosses are hashed from their parts' ids, which are in place by now. */
  #placeCrosses(rows: number, offsets: Uint32Array, words: Uint32Array): void {
    if (
      this.#columns.sharedCrosses.length + this.#columns.itemCrosses.length +
          this.#columns.mixedCrosses.length === 0
    ) {
      return;
    }
    const slots = this.#schema.slots.length;
    this.#values.clear();
    for (const cross of this.#columns.sharedCrosses) this.#encodeCross(cross, 0, offsets, words);
    for (let row = 0; row < rows; row++) {
      for (const cross of this.#crossesOf(row)) {
        this.#encodeCross(cross, row, offsets, words);
      }
    }
    const hashed = this.#values.hash(this.#hasher);
    let read = 0;
    for (const { column } of this.#columns.sharedCrosses) {
      const end = read + 2 * (offsets[column + 1] - offsets[column]);
      for (let row = 0; row < rows; row++) {
        copyWords(hashed, read, end, words, 2 * offsets[row * slots + column]);
      }
      read = end;
    }
    for (let row = 0; row < rows; row++) {
      for (const { column } of this.#crossesOf(row)) {
        const list = row * slots + column;
        const end = read + 2 * (offsets[list + 1] - offsets[list]);
        copyWords(hashed, read, end, words, 2 * offsets[list]);
        read = end;
      }
    }
  }

  /** The crosses that are to be hashed for a row, apart from the shared ones. */
  #crossesOf(row: number): readonly CrossColumn[] {
    return this.#places[row] === 0 ? this.#columns.freshCrosses : this.#columns.mixedCrosses;
  }

  /** All combinations, the last part's values fastest, up to the slot's limit. */
  #encodeCross(cross: CrossColumn, row: number, offsets: Uint32Array, words: Uint32Array): void {
    const first = row * this.#schema.slots.length;
    const { slot, parts } = cross;
    const count = offsets[first + cross.column + 1] - offsets[first + cross.column];
    const positions = this.#positions;
    for (let combination = 0; combination < count; combination++) {
      let rest = combination;
      for (let part = parts.length - 1; part >= 0; part--) {
        const start = offsets[first + parts[part]];
        const values = offsets[first + parts[part] + 1] - start;
        positions[part] = start + rest % values;
        rest = Math.floor(rest / values);
      }
      this.#values.addCombination(slot.slot, words, positions, parts.length);
    }
  }

  /** Keeps what items contribute: counts of their columns, dense values, then ids in the order of the columns. */
  #remember(
    items: readonly FeatureItem[],
    offsets: Uint32Array,
    words: Uint32Array,
    dense: Float32Array,
  ): void {
    const slots = this.#schema.slots.length;
    const { itemColumns, itemDense } = this.#columns;
    const kept = this.#cache.words;
    for (let row = 0; row < items.length; row++) {
      const { id, fields } = items[row];
      if (fields !== undefined || this.#places[row] !== 0) continue;
      let values = 0;
      for (const column of itemColumns) {
        values += offsets[row * slots + column + 1] - offsets[row * slots + column];
      }
      const place = this.#cache.insert(id, itemColumns.length + itemDense.length + 2 * values);
      if (place === 0) continue;
      let write = place + itemColumns.length;
      for (const { column } of itemDense) {
        this.#cache.floats[write++] = dense[row * this.#schema.denseWidth + column];
      }
      for (let i = 0; i < itemColumns.length; i++) {
        const start = offsets[row * slots + itemColumns[i]];
        const end = offsets[row * slots + itemColumns[i] + 1];
        kept[place + i] = end - start;
        copyWords(words, 2 * start, 2 * end, kept, write);
        write += 2 * (end - start);
      }
    }
  }
}

/** The array, or a larger one where it is too short, with zeros in its first `length` places. */
function zeros<A extends Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>>(
  array: A,
  length: number,
  type: new (length: number) => A,
): A {
  if (array.length < length) return new type(2 * length);
  array.fill(0, 0, length);
  return array;
}

function copyWords(from: Uint32Array, start: number, end: number, to: Uint32Array, at: number) {
  for (let i = start; i < end; i++) to[at++] = from[i];
}

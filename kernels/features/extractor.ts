/**
 * From a request to its features. One code path for serving and for training: what the ranker served is logged
 * and trained on as it was, so there is no skew between the two.
 *
 * The work of a request is a few passes over columns: count the values of each (row, slot), gather the bytes of
 * those that are not cached, hash them in one call, lay the ids out, then hash the crosses (which are made of
 * ids) in a second call. Ids are copied as pairs of 32-bit words and never become BigInt.
 */
import { appendValues, denseValue, type FeatureAttributes } from "./attribute_values.ts";
import type { FeatureBatch } from "./feature_batch.ts";
import { type CrossColumn, FeatureColumns } from "./feature_columns.ts";
import { type CachedItem, ItemCache } from "./item_cache.ts";
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
  readonly attributes: FeatureAttributes;
  /** Version of the stored profile that the attributes are; 0 = they are of this request only (never cached). */
  readonly version: number;
}

/** Limits of an extractor. */
export interface ExtractorOptions {
  /** Items whose own features are kept between requests. */
  readonly itemsCachedMax: number;
}

/** Makes features; holds buffers and a cache of items, and is used by one thread. */
export class FeatureExtractor {
  readonly #schema: FeatureSchema;
  readonly #hasher: ValueHasher;
  readonly #values = new ValueBuffer();
  readonly #cache: ItemCache;

  readonly #columns: FeatureColumns;

  constructor(
    schema: FeatureSchema,
    hasher: ValueHasher,
    options: ExtractorOptions = { itemsCachedMax: 100_000 },
  ) {
    this.#schema = schema;
    this.#hasher = hasher;
    this.#cache = new ItemCache(options.itemsCachedMax);
    this.#columns = new FeatureColumns(schema);
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
    const slots = this.#schema.slots.length;
    const offsets = new Uint32Array(rows * slots + 1);
    const dense = new Float32Array(rows * this.#schema.denseWidth);
    if (rows === 0) return { rows, ids: new BigUint64Array(0), segmentOffsets: offsets, dense };

    // offsets[row * slots + column + 1] first holds the count of values of (row, column).
    this.#values.clear();
    const shared = this.#countShared(request, rows, offsets, dense);
    const cached = this.#countItems(items, offsets, dense);
    this.#countCrosses(this.#columns.mixedCrosses, rows, offsets);
    for (let i = 1; i < offsets.length; i++) offsets[i] += offsets[i - 1];

    const ids = new BigUint64Array(offsets[offsets.length - 1]);
    const words = new Uint32Array(ids.buffer);
    this.#placeBase(this.#values.hash(this.#hasher), shared, cached, rows, offsets, words);
    this.#placeCrosses(cached, rows, offsets, words);
    this.#remember(items, cached, offsets, words, dense);
    return { rows, ids, segmentOffsets: offsets, dense };
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

  /** Counts each item's own columns, encoding those of items that are not cached; returns the cached. */
  #countItems(
    items: readonly FeatureItem[],
    offsets: Uint32Array,
    dense: Float32Array,
  ): (CachedItem | undefined)[] {
    const slots = this.#schema.slots.length;
    const cached: (CachedItem | undefined)[] = new Array(items.length);
    for (let row = 0; row < items.length; row++) {
      const item = items[row];
      const known = item.version > 0 ? this.#cache.get(item.id, item.version) : undefined;
      cached[row] = known;
      const firstDense = row * this.#schema.denseWidth;
      if (known !== undefined) {
        for (let i = 0; i < this.#columns.itemColumns.length; i++) {
          offsets[row * slots + this.#columns.itemColumns[i] + 1] = known.data[i];
        }
        for (let i = 0; i < this.#columns.itemDense.length; i++) {
          dense[firstDense + this.#columns.itemDense[i].column] = known.dense[i];
        }
        continue;
      }
      for (const { column, slot } of this.#columns.itemBase) {
        offsets[row * slots + column + 1] = appendValues(
          this.#values,
          slot,
          item.id,
          item.attributes,
          row,
        );
      }
      for (const { column, definition } of this.#columns.itemDense) {
        dense[firstDense + column] = denseValue(definition, item.attributes, row);
      }
    }
    this.#countCrosses(this.#columns.itemCrosses, items.length, offsets);
    return cached;
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
    cached: readonly (CachedItem | undefined)[],
    rows: number,
    offsets: Uint32Array,
    words: Uint32Array,
  ): void {
    const slots = this.#schema.slots.length;
    let read = 0;
    for (let i = 0; i < shared.length; i++) {
      const { column } = this.#columns.sharedBase[i];
      const end = read + 2 * shared[i];
      for (let row = 0; row < rows; row++) {
        copyWords(hashed, read, end, words, 2 * offsets[row * slots + column]);
      }
      read = end;
    }
    for (let row = 0; row < rows; row++) {
      const known = cached[row];
      if (known !== undefined) {
        let from = this.#columns.itemColumns.length;
        for (let i = 0; i < this.#columns.itemColumns.length; i++) {
          const end = from + 2 * known.data[i];
          copyWords(
            known.data,
            from,
            end,
            words,
            2 * offsets[row * slots + this.#columns.itemColumns[i]],
          );
          from = end;
        }
        continue;
      }
      for (const { column } of this.#columns.itemBase) {
        const segment = row * slots + column;
        const end = read + 2 * (offsets[segment + 1] - offsets[segment]);
        copyWords(hashed, read, end, words, 2 * offsets[segment]);
        read = end;
      }
    }
  }

  /** Crosses are hashed from their parts' ids, which are in place by now. */
  #placeCrosses(
    cached: readonly (CachedItem | undefined)[],
    rows: number,
    offsets: Uint32Array,
    words: Uint32Array,
  ): void {
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
      for (const cross of this.#crossesOf(cached[row])) {
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
      for (const { column } of this.#crossesOf(cached[row])) {
        const segment = row * slots + column;
        const end = read + 2 * (offsets[segment + 1] - offsets[segment]);
        copyWords(hashed, read, end, words, 2 * offsets[segment]);
        read = end;
      }
    }
  }

  /** The crosses that are to be hashed for a row, apart from the shared ones. */
  #crossesOf(cached: CachedItem | undefined): readonly CrossColumn[] {
    return cached === undefined ? this.#columns.freshCrosses : this.#columns.mixedCrosses;
  }

  /** All combinations, the last part's values fastest, up to the slot's limit. */
  #encodeCross(cross: CrossColumn, row: number, offsets: Uint32Array, words: Uint32Array): void {
    const first = row * this.#schema.slots.length;
    const { slot, parts } = cross;
    const count = offsets[first + cross.column + 1] - offsets[first + cross.column];
    const positions = new Uint32Array(parts.length);
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

  #remember(
    items: readonly FeatureItem[],
    cached: readonly (CachedItem | undefined)[],
    offsets: Uint32Array,
    words: Uint32Array,
    dense: Float32Array,
  ): void {
    if (this.#cache.itemsMax === 0) return;
    const slots = this.#schema.slots.length;
    for (let row = 0; row < items.length; row++) {
      const { id, version } = items[row];
      if (version <= 0 || cached[row] !== undefined) continue;
      let values = 0;
      for (const column of this.#columns.itemColumns) {
        values += offsets[row * slots + column + 1] - offsets[row * slots + column];
      }
      const data = new Uint32Array(this.#columns.itemColumns.length + 2 * values);
      let write = this.#columns.itemColumns.length;
      this.#columns.itemColumns.forEach((column, i) => {
        const start = offsets[row * slots + column];
        const end = offsets[row * slots + column + 1];
        data[i] = end - start;
        copyWords(words, 2 * start, 2 * end, data, write);
        write += 2 * (end - start);
      });
      const ofItem = new Float32Array(this.#columns.itemDense.length);
      this.#columns.itemDense.forEach(({ column }, i) => {
        ofItem[i] = dense[row * this.#schema.denseWidth + column];
      });
      this.#cache.set(id, { version, data, dense: ofItem });
    }
  }
}

function copyWords(from: Uint32Array, start: number, end: number, to: Uint32Array, at: number) {
  for (let i = start; i < end; i++) to[at++] = from[i];
}

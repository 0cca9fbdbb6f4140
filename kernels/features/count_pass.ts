/**
 * Pass 1 of an extraction: the number of ids in each list, and the dense values.
 *
 * Values whose ids are not cached are encoded on the way: the shared columns, then row by row the
 * item columns. {@link IdPass} takes the ids in the same order.
 */
import { zeroedArray } from "../../structures/scratch_array.ts";
import { appendValues, denseValue } from "./attribute_values.ts";
import type { CachedItems } from "./cached_items.ts";
import type { CrossColumn, FeatureColumns } from "./feature_columns.ts";
import type { FeatureAttributes, FeatureItem, FeatureRequest } from "./feature_request.ts";
import { bucketOf, scale, timePartOf } from "./numbers.ts";
import type { FeatureSchema } from "./schema.ts";
import type { ValueBuffer } from "./value_buffer.ts";

const noAttributes: FeatureAttributes = {};

/** Stored attributes by item id, undefined where nothing is stored. */
export type StoredItems = (ids: readonly string[]) => readonly (FeatureAttributes | undefined)[];

/** Counts of one batch. All arrays are the pass's own, valid until its next run. */
export interface FeatureCounts {
  /** Number of ids of all lists together. */
  readonly idCount: number;
  /** Shape `[rows · slots + 1]`, as in a `FeatureBatch`. */
  readonly listOffsets: Uint32Array;
  /** Shape `[rows, denseWidth]`. */
  readonly dense: Float32Array;
  /** Number of ids in each shared base column, the same in all rows. */
  readonly sharedCounts: readonly number[];
}

export class CountPass {
  readonly #schema: FeatureSchema;
  readonly #columns: FeatureColumns;
  readonly #values: ValueBuffer;
  readonly #cachedItems: CachedItems;
  readonly #storedItems: StoredItems;
  #listCounts = new Uint32Array(0);
  #dense = new Float32Array(0);

  constructor(
    schema: FeatureSchema,
    columns: FeatureColumns,
    values: ValueBuffer,
    items: { readonly cached: CachedItems; readonly stored: StoredItems },
  ) {
    this.#schema = schema;
    this.#columns = columns;
    this.#values = values;
    this.#cachedItems = items.cached;
    this.#storedItems = items.stored;
  }

  /**
   * Counts a request whose items were located in the cache.
   *
   * @throws {FeatureTypeError} An attribute is not of the type that its slot reads.
   */
  run(request: FeatureRequest): FeatureCounts {
    const { items } = request;
    const rows = items.length;
    const lists = rows * this.#schema.slots.length;
    const denseValues = rows * this.#schema.denseWidth;
    // Entry i + 1 is the count of list i; the running sum then makes it the offset of list i + 1.
    const listCounts = this.#listCounts = zeroedArray(this.#listCounts, lists + 1);
    const dense = this.#dense = zeroedArray(this.#dense, denseValues);
    this.#values.clear();
    const sharedCounts = this.#countShared(request, listCounts);
    this.#fillSharedDense(request, dense);
    this.#countItems(items, listCounts, dense);
    if (request.keptOfItems !== undefined) {
      this.#countKept(rows, request.keptOfItems, listCounts, dense);
    }
    this.#countCrosses(this.#columns.itemCrosses, rows, listCounts);
    this.#countCrosses(this.#columns.mixedCrosses, rows, listCounts);
    for (let i = 1; i <= lists; i++) listCounts[i] += listCounts[i - 1];
    return {
      idCount: listCounts[lists],
      listOffsets: listCounts.subarray(0, lists + 1),
      dense: dense.subarray(0, denseValues),
      sharedCounts,
    };
  }

  /** Encodes the values that all rows share; returns the count of each shared base column. */
  #countShared(request: FeatureRequest, listCounts: Uint32Array): number[] {
    const rows = request.items.length;
    const slots = this.#schema.slots.length;
    const { sharedBase, sharedCrosses } = this.#columns;
    const counts = sharedBase.map(({ slot }) => {
      if (slot.kind === "time") {
        const part = timePartOf(request.atMs, slot.part, slot.utcOffsetMinutes);
        this.#values.addText(slot.number, String(part));
        return 1;
      }
      const attributes = slot.source === "user" ? request.userAttributes : request.context;
      return appendValues(this.#values, slot, request.user, attributes);
    });
    sharedBase.forEach(({ column }, i) => {
      for (let row = 0; row < rows; row++) listCounts[row * slots + column + 1] = counts[i];
    });
    this.#countCrosses(sharedCrosses, rows, listCounts);
    return counts;
  }

  #fillSharedDense(request: FeatureRequest, dense: Float32Array): void {
    const rows = request.items.length;
    const { denseWidth } = this.#schema;
    for (const { column, definition } of this.#columns.sharedDense) {
      const attributes = definition.source === "user" ? request.userAttributes : request.context;
      const value = denseValue(definition, attributes);
      for (let row = 0; row < rows; row++) dense[row * denseWidth + column] = value;
    }
  }

  /** Counts the base columns of each item, and encodes the values of items that are not cached. */
  #countItems(items: readonly FeatureItem[], listCounts: Uint32Array, dense: Float32Array): void {
    const cached = this.#cachedItems;
    const uncachedRows: number[] = [];
    for (let row = 0; row < items.length; row++) {
      if (cached.has(row)) cached.readCounts(row, listCounts, dense);
      else uncachedRows.push(row);
    }
    if (uncachedRows.length === 0) return;
    const stored = this.#storedItems(uncachedRows.map((row) => items[row].id));
    const slots = this.#schema.slots.length;
    const { denseWidth } = this.#schema;
    const { itemBase, itemDense } = this.#columns;
    uncachedRows.forEach((row, i) => {
      const { id, fields } = items[row];
      const attributes = fields === undefined
        ? stored[i] ?? noAttributes
        : { ...stored[i], ...fields };
      for (const { column, slot } of itemBase) {
        const count = appendValues(this.#values, slot, id, attributes, row);
        listCounts[row * slots + column + 1] = count;
      }
      for (const { column, definition } of itemDense) {
        dense[row * denseWidth + column] = denseValue(definition, attributes, row);
      }
    });
  }

  /** Counts and encodes the numbers that the server keeps of the items, whether cached or not. */
  #countKept(
    rows: number,
    numbers: Float64Array,
    listCounts: Uint32Array,
    dense: Float32Array,
  ): void {
    const { slots: { length: slots }, denseWidth, keptOfItems = [] } = this.#schema;
    const { keptBase, keptDense } = this.#columns;
    const width = keptOfItems.length;
    for (let row = 0; row < rows; row++) {
      for (const { column, slot, keptIndex } of keptBase) {
        const value = numbers[row * width + keptIndex];
        if (Number.isNaN(value)) continue;
        this.#values.addText(slot.number, String(bucketOf(value, slot.buckets)));
        listCounts[row * slots + column + 1] = 1;
      }
      for (const { column, definition, keptIndex } of keptDense) {
        const value = numbers[row * width + keptIndex];
        if (!Number.isNaN(value)) {
          dense[row * denseWidth + column] = scale(value, definition.scaling);
        }
      }
    }
  }

  /** A cross has the product of its parts' counts, up to its slot's limit. */
  #countCrosses(crosses: readonly CrossColumn[], rows: number, listCounts: Uint32Array): void {
    const slots = this.#schema.slots.length;
    for (const { column, slot, parts } of crosses) {
      for (let row = 0; row < rows; row++) {
        let count = 1;
        for (const part of parts) count *= listCounts[row * slots + part + 1];
        listCounts[row * slots + column + 1] = Math.min(count, slot.valuesMax);
      }
    }
  }
}

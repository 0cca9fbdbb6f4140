/**
 * The features that an item has by itself, as the item cache has them, and which rows of the
 * request under way are served from there.
 *
 * The payload of a cached item, in 32-bit words:
 *
 *     ids of each item column   u32 [itemColumns]
 *     dense values              f32 [itemDense]
 *     ids                       two words an id, column after column
 */
import { type NumberRun, numberRuns } from "../../structures/number_runs.ts";
import { scratchArray } from "../../structures/scratch_array.ts";
import { copyWords } from "./copy_words.ts";
import type { FeatureBatch } from "./feature_batch.ts";
import type { FeatureColumns } from "./feature_columns.ts";
import type { FeatureItem } from "./feature_request.ts";
import { ItemCache } from "./item_cache.ts";
import type { FeatureSchema } from "./schema.ts";

/** Reads and writes cached items of one schema. */
export class CachedItems {
  readonly #cache: ItemCache;
  readonly #columns: FeatureColumns;
  /** Item columns whose lists lie next to each other, in the order of the payload. */
  readonly #runs: readonly NumberRun[];
  readonly #slots: number;
  readonly #denseWidth: number;
  /** Address of each row's payload in the cache, 0 = not cached. */
  #addresses = new Uint32Array(0);
  /** The items that {@link #addresses} are of; undefined after the cache has changed. */
  #located: readonly FeatureItem[] | undefined;

  /** @param bytesMax Memory of the cache, bytes; 0 = no item is cached. */
  constructor(schema: FeatureSchema, columns: FeatureColumns, bytesMax: number) {
    this.#cache = new ItemCache(bytesMax);
    this.#columns = columns;
    this.#runs = numberRuns(columns.itemColumns);
    this.#slots = schema.slots.length;
    this.#denseWidth = schema.denseWidth;
  }

  /** Finds the items of a request. Items with fields of their own count as not cached. */
  locate(items: readonly FeatureItem[]): void {
    if (this.#located === items) return;
    this.#located = items;
    this.#addresses = scratchArray(this.#addresses, items.length);
    if (items.every(({ fields }) => fields !== undefined)) {
      this.#addresses.fill(0, 0, items.length);
      return;
    }
    this.#cache.findAll(items, this.#addresses);
    for (let row = 0; row < items.length; row++) {
      if (items[row].fields !== undefined) this.#addresses[row] = 0;
    }
  }

  /** Whether the row's item was in the cache when {@link locate} was called. */
  has(row: number): boolean {
    return this.#addresses[row] !== 0;
  }

  /**
   * Copies the counts and dense values of a cached row.
   *
   * @param listCounts Entry `row · slots + slot + 1` is the number of ids in list (row, slot).
   * @param dense Shape `[rows, denseWidth]`.
   */
  readCounts(row: number, listCounts: Uint32Array, dense: Float32Array): void {
    const { words, floats } = this.#cache;
    const { itemColumns, itemDense } = this.#columns;
    const address = this.#addresses[row];
    for (let i = 0; i < itemColumns.length; i++) {
      listCounts[row * this.#slots + itemColumns[i] + 1] = words[address + i];
    }
    const denseAddress = address + itemColumns.length;
    for (let i = 0; i < itemDense.length; i++) {
      dense[row * this.#denseWidth + itemDense[i].column] = floats[denseAddress + i];
    }
  }

  /**
   * Copies the ids of a cached row to where its lists begin.
   *
   * @param idWords The batch's ids, two words an id.
   */
  readIds(row: number, listOffsets: Uint32Array, idWords: Uint32Array): void {
    const { words } = this.#cache;
    const { itemColumns, itemDense } = this.#columns;
    const runs = this.#runs;
    let from = this.#addresses[row] + itemColumns.length + itemDense.length;
    for (let i = 0; i < runs.length; i++) {
      const { first, count } = runs[i];
      const list = row * this.#slots + first;
      const begin = 2 * listOffsets[list];
      const end = from + 2 * listOffsets[list + count] - begin;
      copyWords(words, from, end, idWords, begin);
      from = end;
    }
  }

  /** Caches the items of a finished batch that were not cached and have no fields of their own. */
  store(items: readonly FeatureItem[], batch: FeatureBatch, idWords: Uint32Array): void {
    const { listOffsets, dense } = batch;
    const { itemColumns, itemDense } = this.#columns;
    const { words, floats } = this.#cache;
    for (let row = 0; row < items.length; row++) {
      const { id, fields } = items[row];
      if (fields !== undefined || this.has(row)) continue;
      this.#located = undefined;
      const firstList = row * this.#slots;
      let ids = 0;
      for (const column of itemColumns) {
        ids += listOffsets[firstList + column + 1] - listOffsets[firstList + column];
      }
      const address = this.#cache.insert(id, itemColumns.length + itemDense.length + 2 * ids);
      if (address === 0) continue;
      let write = address + itemColumns.length;
      for (const { column } of itemDense) floats[write++] = dense[row * this.#denseWidth + column];
      for (let i = 0; i < itemColumns.length; i++) {
        const start = listOffsets[firstList + itemColumns[i]];
        const end = listOffsets[firstList + itemColumns[i] + 1];
        words[address + i] = end - start;
        copyWords(idWords, 2 * start, 2 * end, words, write);
        write += 2 * (end - start);
      }
    }
  }

  /** Removes an item whose stored attributes changed. */
  delete(item: string): void {
    this.#located = undefined;
    this.#cache.delete(item);
  }

  /** Removes all items. */
  clear(): void {
    this.#located = undefined;
    this.#cache.clear();
  }
}

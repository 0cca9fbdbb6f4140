/**
 * Makes the features of a request. Training does not extract them again: it reads the rows that the
 * ranker logged when it served them, so serving and training cannot differ.
 *
 * An extraction is two passes over columns, with one allocation between them: {@link CountPass}
 * counts the ids of each list and encodes the values that are not cached, {@link IdPass} hashes
 * them and writes the ids.
 */
import { BufferPool } from "../../structures/buffer_pool.ts";
import { CachedItems } from "./cached_items.ts";
import { CountPass, type StoredItems } from "./count_pass.ts";
import { allocateFeatureBatch, type FeatureBatch, takeFeatureBatch } from "./feature_batch.ts";
import { FeatureColumns } from "./feature_columns.ts";
import type { FeatureItem, FeatureRequest } from "./feature_request.ts";
import { IdPass } from "./id_pass.ts";
import type { FeatureSchema } from "./schema.ts";
import { ValueBuffer, type ValueHasher } from "./value_buffer.ts";

/** Source of stored item attributes, and the memory for cached items. */
export interface ExtractorOptions {
  /** Default: nothing is stored. */
  readonly storedItems?: StoredItems;
  /** Memory for the cache of features of items, bytes. Default 0: no item is cached. */
  readonly itemCacheBytesMax?: number;
}

/** Batches whose memory is kept for later ones: as many as are scored and logged at a time. */
const SPARE_BATCHES = 16;

const nothingStored: StoredItems = (ids) => ids.map(() => undefined);

/** Makes features. Holds buffers and a cache of items; for use by one thread. */
export class FeatureExtractor {
  readonly #schema: FeatureSchema;
  readonly #columns: FeatureColumns;
  readonly #cachedItems: CachedItems;
  readonly #countPass: CountPass;
  readonly #idPass: IdPass;
  /** Memory of batches that were given back. */
  readonly #buffers = new BufferPool(SPARE_BATCHES);

  constructor(schema: FeatureSchema, hasher: ValueHasher, options: ExtractorOptions = {}) {
    const { storedItems: stored = nothingStored, itemCacheBytesMax = 0 } = options;
    const columns = new FeatureColumns(schema);
    const buffer = new ValueBuffer();
    const cached = new CachedItems(schema, columns, itemCacheBytesMax);
    this.#schema = schema;
    this.#columns = columns;
    this.#cachedItems = cached;
    this.#countPass = new CountPass(schema, columns, buffer, { cached, stored });
    this.#idPass = new IdPass(schema, columns, { buffer, hasher }, cached);
  }

  /** Whether a slot or dense value reads attributes of users; if not, profiles need no look-up. */
  get readsUsers(): boolean {
    return this.#columns.readsUsers;
  }

  /** Slots whose ids are the same in all rows of a request. */
  get sharedSlots(): readonly number[] {
    return this.#columns.sharedSlots;
  }

  /** Ids of the items whose stored attributes {@link extract} would read. */
  itemsNotCached(items: readonly FeatureItem[]): string[] {
    if (!this.#columns.readsItems) return [];
    this.#cachedItems.locate(items);
    return items.filter((_, row) => !this.#cachedItems.has(row)).map(({ id }) => id);
  }

  /** Removes an item from the cache: its stored attributes have changed. */
  invalidate(item: string): void {
    this.#cachedItems.delete(item);
  }

  /** Removes all items from the cache: changes of stored attributes may have been missed. */
  invalidateAll(): void {
    this.#cachedItems.clear();
  }

  /**
   * The features of a request.
   *
   * @returns One row an item, in the request's order. The arrays are the caller's own, who may give
   * them back.
   * @throws {FeatureTypeError} An attribute is not of the type that its slot reads.
   */
  extract(request: FeatureRequest): FeatureBatch {
    const { items } = request;
    const rows = items.length;
    const { slots: { length: slots }, denseWidth } = this.#schema;
    if (rows === 0) return allocateFeatureBatch({ rows, ids: 0, slots, denseWidth });

    this.#cachedItems.locate(items);
    const counts = this.#countPass.run(request);
    const shape = { rows, ids: counts.idCount, slots, denseWidth };
    const batch = takeFeatureBatch(shape, this.#buffers);
    batch.listOffsets.set(counts.listOffsets);
    batch.dense.set(counts.dense);
    const words = new Uint32Array(batch.ids.buffer, 0, 2 * batch.ids.length);
    this.#idPass.run({ rows, listOffsets: batch.listOffsets, words }, counts.sharedCounts);
    this.#cachedItems.store(items, batch, words);
    return batch;
  }

  /** Takes over the memory of a batch, which must not be read any more. */
  giveBack({ ids }: FeatureBatch): void {
    this.#buffers.give(ids);
  }
}

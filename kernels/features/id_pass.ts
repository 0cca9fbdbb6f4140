/**
 * Pass 2 of an extraction: every list gets its ids. Base columns are hashed in one call, or copied
 * from cached items; crosses are made of the ids of their parts and hashed in a second call.
 *
 * Ids are copied as pairs of 32-bit words and never become BigInt.
 */
import { invariant } from "../../structures/invariant.ts";
import type { CachedItems } from "./cached_items.ts";
import { copyWords } from "./copy_words.ts";
import type { CrossColumn, FeatureColumns } from "./feature_columns.ts";
import type { FeatureSchema } from "./schema.ts";
import type { ValueBuffer, ValueHasher } from "./value_buffer.ts";

const WORDS_PER_ID = 2;

/** The ids of one batch while they are written. */
interface IdLists {
  readonly rows: number;
  /** List (row, slot) begins at id `listOffsets[row · slots + slot]`. */
  readonly listOffsets: Uint32Array;
  /** Two words an id. */
  readonly words: Uint32Array;
}

export class IdPass {
  readonly #slots: number;
  readonly #columns: FeatureColumns;
  readonly #values: ValueBuffer;
  readonly #hasher: ValueHasher;
  readonly #cachedItems: CachedItems;
  /** Index of the id of each part of the combination under way. */
  readonly #partIds: Uint32Array;

  constructor(
    schema: FeatureSchema,
    columns: FeatureColumns,
    values: { readonly buffer: ValueBuffer; readonly hasher: ValueHasher },
    cachedItems: CachedItems,
  ) {
    this.#slots = schema.slots.length;
    this.#columns = columns;
    this.#values = values.buffer;
    this.#hasher = values.hasher;
    this.#cachedItems = cachedItems;
    this.#partIds = new Uint32Array(columns.crossPartsMax);
  }

  /**
   * Fills the lists. The value buffer holds the values that pass 1 encoded.
   *
   * @param sharedCounts Number of ids in each shared base column.
   */
  run(lists: IdLists, sharedCounts: readonly number[]): void {
    this.#writeBase(lists, sharedCounts);
    this.#writeCrosses(lists);
  }

  #writeBase({ rows, listOffsets, words }: IdLists, sharedCounts: readonly number[]): void {
    const slots = this.#slots;
    const { itemBase, keptBase, sharedBase } = this.#columns;
    const hashed = this.#values.hash(this.#hasher);
    let read = 0;
    for (let i = 0; i < sharedCounts.length; i++) {
      const end = read + 2 * sharedCounts[i];
      this.#copyToRows(hashed, read, end, sharedBase[i].column, { rows, listOffsets, words });
      read = end;
    }
    for (let row = 0; row < rows; row++) {
      if (this.#cachedItems.has(row)) {
        this.#cachedItems.readIds(row, listOffsets, words);
        continue;
      }
      for (let i = 0; i < itemBase.length; i++) {
        const list = row * slots + itemBase[i].column;
        const end = read + 2 * (listOffsets[list + 1] - listOffsets[list]);
        copyWords(hashed, read, end, words, 2 * listOffsets[list]);
        read = end;
      }
    }
    if (keptBase.length > 0) read = this.#writeKept(hashed, read, { rows, listOffsets, words });
    invariant(read === hashed.length, "every value that pass 1 encoded is in a list");
  }

  /** Writes the ids of kept columns; returns the index behind the last word that it read. */
  #writeKept(hashed: Uint32Array, from: number, { rows, listOffsets, words }: IdLists): number {
    const { keptBase } = this.#columns;
    let read = from;
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < keptBase.length; i++) {
        const list = row * this.#slots + keptBase[i].column;
        const end = read + 2 * (listOffsets[list + 1] - listOffsets[list]);
        copyWords(hashed, read, end, words, 2 * listOffsets[list]);
        read = end;
      }
    }
    return read;
  }

  /** Copies the words from `begin` to `end` to the list of the column in each row. */
  #copyToRows(
    from: Uint32Array,
    begin: number,
    end: number,
    column: number,
    { rows, listOffsets, words }: IdLists,
  ): void {
    const slots = this.#slots;
    if (end - begin === WORDS_PER_ID) {
      const [low, high] = [from[begin], from[begin + 1]];
      for (let row = 0, list = column; row < rows; row++, list += slots) {
        const at = WORDS_PER_ID * listOffsets[list];
        words[at] = low;
        words[at + 1] = high;
      }
      return;
    }
    for (let row = 0, list = column; row < rows; row++, list += slots) {
      copyWords(from, begin, end, words, WORDS_PER_ID * listOffsets[list]);
    }
  }

  #writeCrosses(lists: IdLists): void {
    const { rows, listOffsets, words } = lists;
    const { sharedCrosses, itemCrosses, mixedCrosses } = this.#columns;
    if (sharedCrosses.length + itemCrosses.length + mixedCrosses.length === 0) return;
    const slots = this.#slots;
    this.#values.clear();
    for (const cross of sharedCrosses) this.#encodeCross(cross, 0, lists);
    for (let row = 0; row < rows; row++) {
      const crosses = this.#crossesOf(row);
      for (let i = 0; i < crosses.length; i++) this.#encodeCross(crosses[i], row, lists);
    }
    const hashed = this.#values.hash(this.#hasher);
    let read = 0;
    for (const { column } of sharedCrosses) {
      const end = read + 2 * (listOffsets[column + 1] - listOffsets[column]);
      this.#copyToRows(hashed, read, end, column, lists);
      read = end;
    }
    for (let row = 0; row < rows; row++) {
      const crosses = this.#crossesOf(row);
      for (let i = 0; i < crosses.length; i++) {
        const list = row * slots + crosses[i].column;
        const end = read + 2 * (listOffsets[list + 1] - listOffsets[list]);
        copyWords(hashed, read, end, words, 2 * listOffsets[list]);
        read = end;
      }
    }
    invariant(read === hashed.length, "every combination that was encoded is in a list");
  }

  /** The crosses to hash for this row alone: those between item columns come with a cached item. */
  #crossesOf(row: number): readonly CrossColumn[] {
    return this.#cachedItems.has(row) ? this.#columns.mixedCrosses : this.#columns.uncachedCrosses;
  }

  /** Encodes all combinations, the last part's values fastest, up to the slot's limit. */
  #encodeCross(cross: CrossColumn, row: number, { listOffsets, words }: IdLists): void {
    const firstList = row * this.#slots;
    const { slot, parts } = cross;
    const list = firstList + cross.column;
    const count = listOffsets[list + 1] - listOffsets[list];
    const partIds = this.#partIds;
    for (let combination = 0; combination < count; combination++) {
      let rest = combination;
      for (let part = parts.length - 1; part >= 0; part--) {
        const start = listOffsets[firstList + parts[part]];
        const values = listOffsets[firstList + parts[part] + 1] - start;
        partIds[part] = start + rest % values;
        rest = (rest / values) | 0;
      }
      this.#values.addCombination(slot.number, words, partIds, parts.length);
    }
  }
}

/**
 * The rows of several rankings, with the lists of shared slots once a ranking. The ids of user,
 * context and time are the same in all rows of a request, so that they are looked up, pooled and
 * multiplied once.
 */
import { type NumberRun, numberRuns } from "../../structures/number_runs.ts";
import { scratchArray } from "../../structures/scratch_array.ts";
import type { FeatureIds } from "../embedding/options.ts";
import { copyWords } from "./copy_words.ts";
import type { FeatureBatch, RowShape } from "./feature_batch.ts";

/** The lists of some slots. */
export interface IdLists {
  /** Number of ids in all lists. */
  readonly ids: number;
  /** List (row, slot) begins at `[row · slots + slot]` and ends at the next. */
  readonly listOffsets: Uint32Array<ArrayBuffer>;
}

/** Rows of rankings, in columns. */
export interface RankingBatch {
  readonly rows: number;
  readonly rankings: number;
  /** Number of each row's ranking. Shape `[rows]`. */
  readonly rankingOfRow: Float32Array<ArrayBuffer>;
  /** Ids of the own lists, row by row, then of the shared lists, ranking by ranking. */
  readonly ids: FeatureIds;
  /** Lists of slots that differ from row to row, `[rows, own slots]`. */
  readonly own: IdLists;
  /** Lists of shared slots, `[rankings, shared slots]`. Offsets count from the first shared id. */
  readonly shared: IdLists;
  /** Dense values. Shape `[rows, denseWidth]`. */
  readonly dense: Float32Array<ArrayBuffer>;
}

/** Slots by whether all rows of a ranking have the same ids. */
export interface DividedSlots {
  readonly own: readonly number[];
  readonly shared: readonly number[];
}

/** Divides the batches of several requests and concatenates their parts. */
export class RankingMerger {
  readonly slots: DividedSlots;
  readonly #ownRuns: readonly NumberRun[];
  /** Lists of a row in a batch. */
  readonly #rowLists: number;
  readonly #denseWidth: number;
  #words = new Uint32Array(0);
  #ownOffsets = new Uint32Array(0);
  #sharedOffsets = new Uint32Array(0);
  #dense = new Float32Array(0);
  #rankingOfRow = new Float32Array(0);

  /** @param sharedSlots Slots with the same ids in all rows of a request. */
  constructor({ slots, denseWidth }: RowShape, sharedSlots: readonly number[]) {
    const all = Array.from({ length: slots }, (_, slot) => slot);
    this.slots = {
      own: all.filter((slot) => !sharedSlots.includes(slot)),
      shared: all.filter((slot) => sharedSlots.includes(slot)),
    };
    this.#ownRuns = numberRuns(this.slots.own);
    this.#rowLists = slots;
    this.#denseWidth = denseWidth;
  }

  /**
   * The rows of all batches; each batch is a ranking. The shared lists are those of its first row.
   *
   * @returns Valid until the next call.
   */
  merge(batches: readonly FeatureBatch[]): RankingBatch {
    let rows = 0;
    let idsMax = 0;
    for (const batch of batches) {
      rows += batch.rows;
      idsMax += batch.ids.length;
    }
    const rankings = batches.length;
    const ownLists = rows * this.slots.own.length;
    const sharedLists = rankings * this.slots.shared.length;
    const words = this.#words = scratchArray(this.#words, 2 * idsMax);
    const ownOffsets = this.#ownOffsets = scratchArray(this.#ownOffsets, ownLists + 1);
    const dense = this.#dense = scratchArray(this.#dense, rows * this.#denseWidth);
    const ranking = this.#rankingOfRow = scratchArray(this.#rankingOfRow, rows);
    let row = 0;
    let own = 0;
    for (let i = 0; i < rankings; i++) {
      own = this.#appendOwn(batches[i], row, own);
      dense.set(batches[i].dense, row * this.#denseWidth);
      ranking.fill(i, row, row + batches[i].rows);
      row += batches[i].rows;
    }
    ownOffsets[ownLists] = own;
    const shared = this.#appendShared(batches, own);
    return {
      rows,
      rankings,
      rankingOfRow: ranking.subarray(0, rows),
      ids: new BigUint64Array(words.buffer, 0, own + shared),
      own: { ids: own, listOffsets: ownOffsets.subarray(0, ownLists + 1) },
      shared: { ids: shared, listOffsets: this.#sharedOffsets.subarray(0, sharedLists + 1) },
      dense: dense.subarray(0, rows * this.#denseWidth),
    };
  }

  /** Appends a batch's own lists behind `ids` ids, from row `row` on. Returns the new id count. */
  #appendOwn({ rows, ids, listOffsets }: FeatureBatch, row: number, idCount: number): number {
    const from = wordsOf(ids);
    const [words, offsets, runs] = [this.#words, this.#ownOffsets, this.#ownRuns];
    const rowLists = this.#rowLists;
    let list = row * this.slots.own.length;
    let at = idCount;
    for (let first = 0; first < rows * rowLists; first += rowLists) {
      for (let i = 0; i < runs.length; i++) {
        const begin = first + runs[i].first;
        const end = begin + runs[i].count;
        const moved = at - listOffsets[begin];
        for (let each = begin; each < end; each++) offsets[list++] = listOffsets[each] + moved;
        copyWords(from, 2 * listOffsets[begin], 2 * listOffsets[end], words, 2 * at);
        at = listOffsets[end] + moved;
      }
    }
    return at;
  }

  /** Appends the shared lists of each batch behind `own` ids. Returns the number of their ids. */
  #appendShared(batches: readonly FeatureBatch[], own: number): number {
    const slots = this.slots.shared;
    const lists = batches.length * slots.length;
    const offsets = this.#sharedOffsets = scratchArray(this.#sharedOffsets, lists + 1);
    let list = 0;
    let at = 0;
    for (const { rows, ids, listOffsets } of batches) {
      const from = wordsOf(ids);
      for (let i = 0; i < slots.length; i++) {
        const begin = listOffsets[rows === 0 ? 0 : slots[i]];
        const end = listOffsets[rows === 0 ? 0 : slots[i] + 1];
        offsets[list++] = at;
        copyWords(from, 2 * begin, 2 * end, this.#words, 2 * (own + at));
        at += end - begin;
      }
    }
    offsets[lists] = at;
    return at;
  }
}

/** Each id as two words, the lower one first. */
function wordsOf(ids: FeatureIds): Uint32Array {
  return new Uint32Array(ids.buffer, ids.byteOffset, 2 * ids.length);
}

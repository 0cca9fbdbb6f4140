/**
 * Writes the rows of impressions: the items that a ranking shows, with the features they were
 * scored from. The layout is drawn in impression_rows.ts.
 */
import type { FeatureBatch } from "../kernels/features/feature_batch.ts";
import type { RowColumns } from "../kernels/features/schema_fingerprint.ts";
import { NumberMemory } from "../structures/number_memory.ts";
import { type NumberRun, numberRuns } from "../structures/number_runs.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../structures/utf8.ts";
import { HEADER_WORDS, headerWord } from "./impression_rows.ts";

/** A scored ranking, of which some candidates are shown. */
export interface ServedRanking {
  readonly candidates: readonly { readonly id: string }[];
  /** Row i is candidate i. */
  readonly features: FeatureBatch;
  /** `[candidates, tasks]`; those of the first task are stored with the rows. */
  readonly predictions: ArrayLike<number>;
  /** Indices of the candidates that are shown, in the order shown. */
  readonly rows: ArrayLike<number>;
}

/** How the rows of a model's rankings are written. */
export interface ImpressionRowsOptions extends RowColumns {
  /** The slots whose ids are the same in all rows of a ranking. */
  readonly sharedSlots: Iterable<number>;
  readonly tasks: number;
}

/** Writes one ranking after another into the same memory. */
export class ImpressionRowsWriter {
  readonly #options: ImpressionRowsOptions;
  readonly #shared: readonly number[];
  readonly #own: readonly number[];
  /** Own slots whose lists lie next to each other. */
  readonly #ownRuns: readonly NumberRun[];
  #memory = new NumberMemory(new ArrayBuffer(0));

  constructor(options: ImpressionRowsOptions) {
    const isShared = new Set(options.sharedSlots);
    const slots = Array.from({ length: options.slots }, (_, slot) => slot);
    this.#options = options;
    this.#shared = slots.filter((slot) => isShared.has(slot));
    this.#own = slots.filter((slot) => !isShared.has(slot));
    this.#ownRuns = numberRuns(this.#own);
  }

  /**
   * The rows as bytes, in the layout of impression_rows.ts.
   *
   * @returns Valid until the next call.
   */
  write({ candidates, features, predictions, rows }: ServedRanking): Uint8Array {
    const { slots, denseWidth, schemaFingerprint, tasks } = this.#options;
    const { listOffsets: offsets, dense } = features;
    const n = rows.length;
    let sharedIds = 0;
    if (n > 0) {
      for (const slot of this.#shared) sharedIds += idsInList(offsets, rows[0] * slots + slot);
    }
    let ids = sharedIds;
    let textUnits = 0;
    for (let i = 0; i < n; i++) {
      ids += offsets[(rows[i] + 1) * slots] - offsets[rows[i] * slots] - sharedIds;
      textUnits += candidates[rows[i]].id.length;
    }

    const predictionsAt = HEADER_WORDS + n;
    const denseAt = predictionsAt + n;
    const idsAt = denseAt + n * denseWidth;
    const countsAt = 2 * (idsAt + 2 * ids);
    const textAt = 2 * (countsAt + slots + n * this.#own.length);
    const memory = this.#reserve(textAt + utf8BytesPerUnit * textUnits);
    const { bytes, floats, halves, words } = memory;

    const idWords = new Uint32Array(
      features.ids.buffer,
      features.ids.byteOffset,
      2 * features.ids.length,
    );
    const runs = this.#ownRuns;
    let idAt = idsAt;
    let textEnd = textAt;
    let countAt = countsAt + slots;
    halves.fill(0, countsAt, countAt);
    for (const slot of this.#shared) {
      if (n > 0) idAt = copyIds(idWords, offsets, rows[0] * slots + slot, 1, words, idAt);
      halves[countsAt + slot] = 1 + (n > 0 ? idsInList(offsets, rows[0] * slots + slot) : 0);
    }
    for (let i = 0; i < n; i++) {
      const row = rows[i];
      textEnd = writeUtf8(candidates[row].id, bytes, textEnd);
      words[HEADER_WORDS + i] = textEnd - textAt;
      floats[predictionsAt + i] = predictions[row * tasks];
      for (let at = 0; at < denseWidth; at++) {
        floats[denseAt + i * denseWidth + at] = dense[row * denseWidth + at];
      }
      for (let run = 0; run < runs.length; run++) {
        const { first, count } = runs[run];
        const list = row * slots + first;
        idAt = copyIds(idWords, offsets, list, count, words, idAt);
        for (let at = list; at < list + count; at++) halves[countAt++] = idsInList(offsets, at);
      }
    }
    words[headerWord.schemaFingerprint] = schemaFingerprint;
    words[headerWord.rows] = n;
    words[headerWord.slots] = slots;
    words[headerWord.denseWidth] = denseWidth;
    words[headerWord.ownSlots] = this.#own.length;
    words[headerWord.ids] = ids;
    words[headerWord.textBytes] = textEnd - textAt;
    return bytes.subarray(0, textEnd);
  }

  #reserve(bytes: number): NumberMemory {
    if (this.#memory.bytes.length < bytes) {
      this.#memory = new NumberMemory(new ArrayBuffer(8 * Math.ceil(bytes / 4)));
    }
    return this.#memory;
  }
}

/** Copies the ids of `lists` lists from `list` on; returns the index behind the last word. */
function copyIds(
  from: Uint32Array,
  offsets: Uint32Array,
  list: number,
  lists: number,
  to: Uint32Array,
  at: number,
): number {
  const end = 2 * offsets[list + lists];
  for (let word = 2 * offsets[list]; word < end; word++) to[at++] = from[word];
  return at;
}

function idsInList(offsets: Uint32Array, list: number): number {
  return offsets[list + 1] - offsets[list];
}

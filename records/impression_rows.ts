/**
 * The rows of an impression as one piece of memory: items, scores, features. The ranker writes it, the joiner keeps it
 * for half an hour and reads it where it lies, when an action comes or the window closes. Neither makes an object a row,
 * since a server does this with every item of every ranking.
 *
 * What the user and the moment bring is the same in every row and is there once. Little-endian, n rows:
 *
 *     u32  n, slots, dense width, own slots (those that are not shared), ids, bytes of text
 *     u32  where each item's id ends in the text, [n]
 *     f32  scores, [n]
 *     f32  dense values, [n, dense width]
 *     u64  ids of the shared slots, then row by row those of the others, in the order of the slots
 *     u16  by slot: 1 + how many ids each row shares, or 0 where each row has its own, [slots]
 *     u16  how many ids each row has, [n, own slots]
 *     u8   text: the items' ids in UTF-8
 */
import type { FeatureBatch, RowShape } from "../kernels/features/feature_batch.ts";
import { NumberMemory } from "../structures/number_memory.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../structures/utf8.ts";

/** What a ranking shows. */
export interface Shown {
  readonly candidates: readonly { readonly id: string }[];
  /** Row i is candidate i. */
  readonly features: FeatureBatch;
  /** `[candidates, tasks]`; those of the first task are kept as the rows' scores. */
  readonly predictions: ArrayLike<number>;
  /** The candidates that are shown, by number, in the order shown. */
  readonly rows: ArrayLike<number>;
}

/** The features of all rows that were shown. */
export interface LoggedFeatures {
  /** Each uint64 as two words, the lower one first. `[nnz, 2]` */
  readonly ids: Uint32Array;
  /** `[rows·slots + 1]`. */
  readonly listOffsets: Uint32Array;
  /** The bits of float32 `[rows, denseWidth]`. */
  readonly dense: Uint32Array;
}

const HEADER_WORDS = 6;
const [ROWS, SLOTS, DENSE_WIDTH, OWN_SLOTS, IDS, TEXT_BYTES] = [0, 1, 2, 3, 4, 5];

/** How the rows of a model's rankings are written. */
export interface ShownRowsOptions extends RowShape {
  /** The slots whose ids are the same in all rows of a ranking. */
  readonly sharedSlots: Iterable<number>;
  readonly tasks: number;
}

/** Writes rows, always into the same memory. */
export class ShownRowsWriter {
  readonly #options: ShownRowsOptions;
  readonly #shared: readonly number[];
  readonly #own: readonly number[];
  #memory = new NumberMemory(new ArrayBuffer(0));

  constructor(options: ShownRowsOptions) {
    const isShared = new Set(options.sharedSlots);
    const slots = Array.from({ length: options.slots }, (_, slot) => slot);
    this.#options = options;
    this.#shared = slots.filter((slot) => isShared.has(slot));
    this.#own = slots.filter((slot) => !isShared.has(slot));
  }

  /** @returns The rows' bytes, valid until the next call. */
  write({ candidates, features, predictions, rows }: Shown): Uint8Array {
    const { slots, denseWidth, tasks } = this.#options;
    const { listOffsets: offsets, dense } = features;
    const n = rows.length;
    let sharedIds = 0;
    if (n > 0) {
      for (const slot of this.#shared) sharedIds += countOf(offsets, rows[0] * slots + slot);
    }
    let ids = sharedIds;
    let textUnits = 0;
    for (let i = 0; i < n; i++) {
      ids += offsets[(rows[i] + 1) * slots] - offsets[rows[i] * slots] - sharedIds;
      textUnits += candidates[rows[i]].id.length;
    }

    const scoresAt = HEADER_WORDS + n;
    const denseAt = scoresAt + n;
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
    let idAt = idsAt;
    const copyIds = (list: number) => {
      const end = 2 * offsets[list + 1];
      for (let from = 2 * offsets[list]; from < end; from++) words[idAt++] = idWords[from];
      return countOf(offsets, list);
    };
    let textEnd = textAt;
    let countAt = countsAt + slots;
    halves.fill(0, countsAt, countAt);
    for (const slot of this.#shared) {
      halves[countsAt + slot] = 1 + (n > 0 ? copyIds(rows[0] * slots + slot) : 0);
    }
    for (let i = 0; i < n; i++) {
      const row = rows[i];
      textEnd = writeUtf8(candidates[row].id, bytes, textEnd);
      words[HEADER_WORDS + i] = textEnd - textAt;
      floats[scoresAt + i] = predictions[row * tasks];
      for (let at = 0; at < denseWidth; at++) {
        floats[denseAt + i * denseWidth + at] = dense[row * denseWidth + at];
      }
      for (const slot of this.#own) halves[countAt++] = copyIds(row * slots + slot);
    }
    words[ROWS] = n;
    words[SLOTS] = slots;
    words[DENSE_WIDTH] = denseWidth;
    words[OWN_SLOTS] = this.#own.length;
    words[IDS] = ids;
    words[TEXT_BYTES] = textEnd - textAt;
    return bytes.subarray(0, textEnd);
  }

  #reserve(bytes: number): NumberMemory {
    if (this.#memory.bytes.length < bytes) {
      this.#memory = new NumberMemory(new ArrayBuffer(8 * Math.ceil(bytes / 4)));
    }
    return this.#memory;
  }
}

/** Whether the bytes are rows of this shape: the log may be older than the configuration. */
export function areRowsOf({ slots, denseWidth }: RowShape, bytes: Uint8Array): boolean {
  if (!areRows(bytes)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(4 * SLOTS, true) === slots &&
    view.getUint32(4 * DENSE_WIDTH, true) === denseWidth;
}

/** Whether all that the bytes say of themselves agrees, so that a reader that believes it stays within them. */
export function areRows(bytes: Uint8Array): boolean {
  if (bytes.length < 4 * HEADER_WORDS) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (at: number) => view.getUint32(4 * at, true);
  const [rows, slots, ownSlots, textBytes] = [
    word(ROWS),
    word(SLOTS),
    word(OWN_SLOTS),
    word(TEXT_BYTES),
  ];
  const words = HEADER_WORDS + rows * (2 + word(DENSE_WIDTH)) + 2 * word(IDS);
  const halves = slots + rows * ownSlots;
  if (bytes.length !== 4 * words + 2 * halves + textBytes) return false;

  let textEnd = 0;
  for (let row = 0; row < rows; row++) {
    const end = word(HEADER_WORDS + row);
    if (end < textEnd) return false;
    textEnd = end;
  }
  let ids = 0;
  let own = 0;
  for (let half = 0; half < halves; half++) {
    const count = view.getUint16(4 * words + 2 * half, true);
    if (half >= slots) ids += count;
    else if (count === 0) own++;
    else ids += count - 1;
  }
  return textEnd === textBytes && own === ownSlots && ids === word(IDS);
}

/** Reads rows where they lie, which {@link areRows} has seen. One reader opens one piece of memory after another. */
export class ShownRowsReader {
  #memory = new NumberMemory(new ArrayBuffer(4 * HEADER_WORDS));
  #at = 0;
  #features: LoggedFeatures = {
    ids: new Uint32Array(0),
    listOffsets: new Uint32Array(1),
    dense: new Uint32Array(0),
  };
  /** They are those of the rows that are open. */
  #unpacked = false;
  #text = new Uint8Array(0);

  /** @param at Where the rows begin: a multiple of 4 bytes. */
  open(memory: NumberMemory, at = 0): this {
    this.#memory = memory;
    this.#at = at / 4;
    this.#unpacked = false;
    return this;
  }

  get rows(): number {
    return this.#header(ROWS);
  }

  score(row: number): number {
    return this.#memory.floats[this.#at + HEADER_WORDS + this.rows + row];
  }

  /** The row that shows the item, -1 where none does. */
  rowOf(item: string): number {
    const { bytes, words } = this.#memory;
    if (this.#text.length < utf8BytesPerUnit * item.length) {
      this.#text = new Uint8Array(2 * utf8BytesPerUnit * item.length);
    }
    const length = writeUtf8(item, this.#text, 0);
    const textAt = this.#textAt();
    const rows = this.rows;
    for (let row = 0, begin = 0; row < rows; row++) {
      const end = words[this.#at + HEADER_WORDS + row];
      if (end - begin === length) {
        let same = 0;
        while (same < length && bytes[textAt + begin + same] === this.#text[same]) same++;
        if (same === length) return row;
      }
      begin = end;
    }
    return -1;
  }

  /** The items' ids, in the order shown. */
  items(): string[] {
    const { bytes, words } = this.#memory;
    const textAt = this.#textAt();
    let begin = 0;
    return Array.from({ length: this.rows }, (_, row) => {
      const end = words[this.#at + HEADER_WORDS + row];
      const item = decoder.decode(bytes.slice(textAt + begin, textAt + end));
      begin = end;
      return item;
    });
  }

  /** The features of all rows, in memory that the next rows' features will use. */
  features(): LoggedFeatures {
    if (!this.#unpacked) this.#unpack();
    this.#unpacked = true;
    return this.#features;
  }

  #unpack(): void {
    const { halves, words } = this.#memory;
    const [rows, slots, denseWidth] = [this.rows, this.#header(SLOTS), this.#header(DENSE_WIDTH)];
    const denseAt = this.#at + HEADER_WORDS + 2 * rows;
    const idsAt = denseAt + rows * denseWidth;
    const countsAt = this.#countsAt();
    let sharedIds = 0;
    for (let slot = 0; slot < slots; slot++) sharedIds += Math.max(0, halves[countsAt + slot] - 1);
    const idsMax = this.#header(IDS) + rows * sharedIds;

    const features = this.#features = {
      ids: ofLength(this.#features.ids, 2 * idsMax),
      listOffsets: ofLength(this.#features.listOffsets, rows * slots + 1),
      dense: ofLength(this.#features.dense, rows * denseWidth),
    };
    for (let i = 0; i < rows * denseWidth; i++) features.dense[i] = words[denseAt + i];
    let list = 0;
    let write = 0;
    let countAt = countsAt + slots;
    let ownAt = idsAt + 2 * sharedIds;
    for (let row = 0; row < rows; row++) {
      let sharedAt = idsAt;
      for (let slot = 0; slot < slots; slot++) {
        const shared = halves[countsAt + slot];
        const count = shared > 0 ? shared - 1 : halves[countAt++];
        const from = shared > 0 ? sharedAt : ownAt;
        for (let word = 0; word < 2 * count; word++) features.ids[write++] = words[from + word];
        if (shared > 0) sharedAt += 2 * count;
        else ownAt += 2 * count;
        features.listOffsets[++list] = write / 2;
      }
    }
  }

  #header(field: number): number {
    return this.#memory.words[this.#at + field];
  }

  /** In 16-bit units. */
  #countsAt(): number {
    const words = HEADER_WORDS + this.rows * (2 + this.#header(DENSE_WIDTH)) +
      2 * this.#header(IDS);
    return 2 * (this.#at + words);
  }

  /** In bytes. */
  #textAt(): number {
    return 2 * (this.#countsAt() + this.#header(SLOTS) + this.rows * this.#header(OWN_SLOTS));
  }
}

/** An id may begin with U+FEFF, which is no mark of byte order there. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function countOf(offsets: Uint32Array, list: number): number {
  return offsets[list + 1] - offsets[list];
}

/** The array, or a larger one where it is too short. */
function ofLength(array: Uint32Array, length: number): Uint32Array {
  return array.length < length ? new Uint32Array(2 * length) : array;
}

/**
 * Reads the rows of impressions in place. The layout is drawn in impression_rows.ts.
 */
import { NumberMemory } from "../structures/number_memory.ts";
import { utf8BytesPerUnit, writeUtf8 } from "../structures/utf8.ts";
import { HEADER_WORDS, headerWord, type LoggedFeatures } from "./impression_rows.ts";

/** Reads rows that `areRows` has checked; one reader opens one piece of memory after another. */
export class ImpressionRowsReader {
  #memory = new NumberMemory(new ArrayBuffer(4 * HEADER_WORDS));
  /** First word of the rows in `#memory`. */
  #begin = 0;
  #features: LoggedFeatures = {
    ids: new Uint32Array(0),
    listOffsets: new Uint32Array(1),
    dense: new Uint32Array(0),
  };
  /** Whether `#features` are those of the open rows. */
  #unpacked = false;
  /** The features of one row. */
  #ofRow: LoggedFeatures = {
    ids: new Uint32Array(0),
    listOffsets: new Uint32Array(1),
    dense: new Uint32Array(0),
  };
  /** The row that a search for a row's own ids goes on from; -1 before the first search. */
  #foundRow = -1;
  /** Index in `halves` of the counts of the found row's own slots. */
  #foundCounts = 0;
  /** Index in `words` of the found row's own ids. */
  #foundIds = 0;
  #text = new Uint8Array(0);

  /**
   * Turns to other rows.
   *
   * @param begin First byte of the rows, a multiple of 4.
   */
  open(memory: NumberMemory, begin = 0): this {
    this.#memory = memory;
    this.#begin = begin / 4;
    this.#unpacked = false;
    this.#foundRow = -1;
    return this;
  }

  /** Number of rows. */
  get rows(): number {
    return this.#header(headerWord.rows);
  }

  /** Number of slots, which are the columns of the features. */
  get slots(): number {
    return this.#header(headerWord.slots);
  }

  /** The first task's prediction for the row when it was served. */
  prediction(row: number): number {
    return this.#memory.floats[this.#begin + HEADER_WORDS + this.rows + row];
  }

  /** The row that shows the item; -1 if none does. */
  rowOf(item: string): number {
    const { bytes, words } = this.#memory;
    if (this.#text.length < utf8BytesPerUnit * item.length) {
      this.#text = new Uint8Array(2 * utf8BytesPerUnit * item.length);
    }
    const length = writeUtf8(item, this.#text, 0);
    const textBegin = this.#textBegin();
    const rows = this.rows;
    for (let row = 0, begin = 0; row < rows; row++) {
      const end = words[this.#begin + HEADER_WORDS + row];
      if (end - begin === length) {
        let same = 0;
        while (same < length && bytes[textBegin + begin + same] === this.#text[same]) same++;
        if (same === length) return row;
      }
      begin = end;
    }
    return -1;
  }

  /** The items' ids, in the order shown. */
  items(): string[] {
    const { bytes, words } = this.#memory;
    const firstEnd = this.#begin + HEADER_WORDS;
    const ends = words.subarray(firstEnd, firstEnd + this.rows);
    const textBytes = ends.at(-1) ?? 0;
    const textBegin = this.#textBegin();
    const text = bytes.slice(textBegin, textBegin + textBytes);
    // Ids are mostly ASCII, where a byte is a unit: one call decodes them all.
    const decoded = decoder.decode(text);
    const isAscii = decoded.length === textBytes;
    let begin = 0;
    return Array.from(ends, (end) => {
      const item = isAscii ? decoded.slice(begin, end) : decoder.decode(text.subarray(begin, end));
      begin = end;
      return item;
    });
  }

  /**
   * The features of all rows.
   *
   * @returns Valid until {@link features} is called for other rows.
   */
  features(): LoggedFeatures {
    if (!this.#unpacked) this.#unpack();
    this.#unpacked = true;
    return this.#features;
  }

  /**
   * The features of one row, as those of an impression with this row alone. Rows before it are
   * skipped without copies, so ascending rows are found fastest.
   *
   * @returns Valid until the next call.
   */
  featuresOfRowAlone(row: number): LoggedFeatures {
    const { halves, words } = this.#memory;
    const slots = this.slots;
    const denseWidth = this.#header(headerWord.denseWidth);
    this.#find(row);
    const denseAt = this.#begin + HEADER_WORDS + 2 * this.rows + row * denseWidth;
    const countsAt = this.#countsBegin();
    let idsMax = 0;
    for (let slot = 0, own = this.#foundCounts; slot < slots; slot++) {
      const shared = halves[countsAt + slot];
      idsMax += shared > 0 ? shared - 1 : halves[own++];
    }
    const { ids, listOffsets, dense } = this.#ofRow = {
      ids: withLength(this.#ofRow.ids, 2 * idsMax),
      listOffsets: withLength(this.#ofRow.listOffsets, slots + 1),
      dense: withLength(this.#ofRow.dense, denseWidth),
    };
    for (let i = 0; i < denseWidth; i++) dense[i] = words[denseAt + i];
    let sharedAt = this.#idsBegin();
    let ownAt = this.#foundIds;
    let write = 0;
    for (let slot = 0, own = this.#foundCounts; slot < slots; slot++) {
      const shared = halves[countsAt + slot];
      const end = write + 2 * (shared > 0 ? shared - 1 : halves[own++]);
      if (shared > 0) { while (write < end) ids[write++] = words[sharedAt++]; }
      else while (write < end) ids[write++] = words[ownAt++];
      listOffsets[slot + 1] = write / 2;
    }
    return this.#ofRow;
  }

  /** Finds the own ids of a row and their counts. */
  #find(row: number): void {
    const { halves } = this.#memory;
    if (this.#foundRow < 0 || row < this.#foundRow) {
      this.#foundRow = 0;
      this.#foundCounts = this.#countsBegin() + this.slots;
      this.#foundIds = this.#idsBegin() + 2 * this.#sharedIds();
    }
    const skipped = (row - this.#foundRow) * this.#header(headerWord.ownSlots);
    let ids = 0;
    for (let i = 0; i < skipped; i++) ids += halves[this.#foundCounts + i];
    this.#foundRow = row;
    this.#foundCounts += skipped;
    this.#foundIds += 2 * ids;
  }

  #unpack(): void {
    const { halves, words } = this.#memory;
    const [rows, slots] = [this.rows, this.#header(headerWord.slots)];
    const denseWidth = this.#header(headerWord.denseWidth);
    const denseAt = this.#begin + HEADER_WORDS + 2 * rows;
    const idsAt = this.#idsBegin();
    const countsAt = this.#countsBegin();
    const sharedIds = this.#sharedIds();
    const idsMax = this.#header(headerWord.ids) + rows * sharedIds;

    const features = this.#features = {
      ids: withLength(this.#features.ids, 2 * idsMax),
      listOffsets: withLength(this.#features.listOffsets, rows * slots + 1),
      dense: withLength(this.#features.dense, rows * denseWidth),
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

  /** @param field One of {@link headerWord}. */
  #header(field: number): number {
    return this.#memory.words[this.#begin + field];
  }

  /** Number of ids that all rows share. */
  #sharedIds(): number {
    const { halves } = this.#memory;
    const [countsAt, slots] = [this.#countsBegin(), this.slots];
    let ids = 0;
    for (let slot = 0; slot < slots; slot++) ids += Math.max(0, halves[countsAt + slot] - 1);
    return ids;
  }

  /** First word of the ids. */
  #idsBegin(): number {
    return this.#begin + HEADER_WORDS + this.rows * (2 + this.#header(headerWord.denseWidth));
  }

  /** First of the counts of ids, in 16-bit units. */
  #countsBegin(): number {
    return 2 * (this.#idsBegin() + 2 * this.#header(headerWord.ids));
  }

  /** First byte of the text. */
  #textBegin(): number {
    const counts = this.#header(headerWord.slots) + this.rows * this.#header(headerWord.ownSlots);
    return 2 * (this.#countsBegin() + counts);
  }
}

/** Keeps a leading U+FEFF, which is part of an item's id here and not a byte order mark. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The array, or a longer one if it is too short. */
function withLength(array: Uint32Array, length: number): Uint32Array {
  return array.length < length ? new Uint32Array(2 * length) : array;
}

/**
 * The rows of an impression: items, predictions and features of one ranking in one piece of memory.
 *
 * The ranker writes them (impression_rows_writer.ts). The joiner keeps the bytes while the ranking
 * is open and reads them in place, when an action arrives or the window closes
 * (impression_rows_reader.ts). Neither side makes an object per row, because a server handles every
 * item of every ranking.
 *
 * Ids that all rows share (those of the user and of the context) are stored once. All numbers are
 * little-endian; n is the number of rows:
 *
 *     u32  fingerprint of the schema, n, slots, dense width, own slots (slots that are not shared),
 *          ids, bytes of text
 *     u32  end of each item's id in the text, [n]
 *     f32  the first task's predictions, [n]
 *     f32  dense values, [n, dense width]
 *     u64  ids: those of the shared slots, then row by row those of the own slots, in slot order
 *     u16  per slot: 1 + the number of ids that all rows share; 0 for an own slot, [slots]
 *     u16  number of ids per row and own slot, [n, own slots]
 *     u8   text: the items' ids in UTF-8, without separators
 */
import type { RowColumns } from "../kernels/features/schema_fingerprint.ts";

/** The features of all rows of an impression. */
export interface LoggedFeatures {
  /** Each uint64 as two words, the lower one first. `[ids, 2]` */
  readonly ids: Uint32Array;
  /** List (row, slot) begins at `[row·slots + slot]` and ends at the next. `[rows·slots + 1]` */
  readonly listOffsets: Uint32Array;
  /** The bits of float32 `[rows, denseWidth]`. */
  readonly dense: Uint32Array;
}

/** Length of the header, words. */
export const HEADER_WORDS = 7;

/** Word of each header field. */
export const headerWord = {
  schemaFingerprint: 0,
  rows: 1,
  slots: 2,
  denseWidth: 3,
  ownSlots: 4,
  ids: 5,
  textBytes: 6,
} as const;

/**
 * Whether the bytes are well-formed rows of these columns. A log may hold rows that were written
 * under an earlier configuration.
 */
export function areRowsOf(
  { slots, denseWidth, schemaFingerprint }: RowColumns,
  bytes: Uint8Array,
): boolean {
  if (!areRows(bytes)) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(4 * headerWord.schemaFingerprint, true) === schemaFingerprint &&
    view.getUint32(4 * headerWord.slots, true) === slots &&
    view.getUint32(4 * headerWord.denseWidth, true) === denseWidth;
}

/**
 * Whether the bytes are well-formed rows: every count and every text end agrees with the length, so
 * that a reader stays inside the bytes.
 */
export function areRows(bytes: Uint8Array): boolean {
  if (bytes.length < 4 * HEADER_WORDS) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (index: number) => view.getUint32(4 * index, true);
  const [rows, slots, ownSlots, textBytes] = [
    word(headerWord.rows),
    word(headerWord.slots),
    word(headerWord.ownSlots),
    word(headerWord.textBytes),
  ];
  const words = HEADER_WORDS + rows * (2 + word(headerWord.denseWidth)) +
    2 * word(headerWord.ids);
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
  return textEnd === textBytes && own === ownSlots && ids === word(headerWord.ids);
}

/**
 * Finds candidate ids that occur twice in a request. A Set of strings would look each id up in V8's
 * table of internalized strings, which for a hundred ids out of a million costs ten times as much
 * as comparing their fingerprints.
 */
import { cellSecret, cellShift, homeCell } from "../../structures/cell_secret.ts";
import { fingerprintOf } from "../../structures/fingerprint.ts";
import { CANDIDATES_MAX } from "../options.ts";

/** Fingerprints in an open-addressing table with linear probing; 0 = free. Cleared per request. */
const cells = new Uint32Array(2 ** Math.ceil(Math.log2(2 * CANDIDATES_MAX)));
const mask = cells.length - 1;
const shift = cellShift(cells.length);

/** A candidate whose id an earlier candidate has. */
export interface Repeat {
  readonly index: number;
  /** Index of the first candidate with this id. */
  readonly firstIndex: number;
}

/** @param sent At most {@link CANDIDATES_MAX}. */
export function repeatsIn(sent: readonly { readonly id: string }[]): readonly Repeat[] {
  if (!mayRepeat(sent)) return [];
  const firstIndexOf = new Map<string, number>();
  return sent.flatMap(({ id }, index) => {
    const firstIndex = firstIndexOf.get(id);
    if (firstIndex === undefined) firstIndexOf.set(id, index);
    return firstIndex === undefined ? [] : [{ index, firstIndex }];
  });
}

/** Whether two fingerprints are equal; different ids may share one. */
function mayRepeat(sent: readonly { readonly id: string }[]): boolean {
  cells.fill(0);
  for (let i = 0; i < sent.length; i++) {
    const fingerprint = fingerprintOf(sent[i].id).low || 1;
    let cell = homeCell(cellSecret, fingerprint, 0, shift);
    for (; cells[cell] !== 0; cell = (cell + 1) & mask) {
      if (cells[cell] === fingerprint) return true;
    }
    cells[cell] = fingerprint;
  }
  return false;
}

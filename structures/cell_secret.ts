/**
 * The secret by which a hash table chooses the cell of a fingerprint.
 *
 * Fingerprints of ids that clients choose can be made to share their low bits. A table that took
 * its cell from those bits would turn each look-up into a scan. With secret multipliers two
 * fingerprints share a home with a probability of at most 2 / cells, also if a client chose them.
 *
 * @see Dietzfelbinger et al., "A reliable randomized algorithm for the closest-pair problem", 1997
 */
import { invariant } from "./invariant.ts";

/** Odd multipliers of a fingerprint's words. */
export interface CellSecret {
  readonly low: number;
  readonly high: number;
}

/** The secret of this thread. Only the order of cells depends on it, never an answer. */
export const cellSecret: CellSecret = drawCellSecret();

function drawCellSecret(): CellSecret {
  // deno-lint-ignore cairn/no-ambient-randomness -- chooses cells only: no answer depends on it
  const [low, high] = crypto.getRandomValues(new Uint32Array(2));
  return { low: (low | 1) >>> 0, high: (high | 1) >>> 0 };
}

/**
 * The shift for {@link homeCell} in a table of this size.
 *
 * @param cells A power of 2, from 2 to 2^31.
 */
export function cellShift(cells: number): number {
  invariant(cells >= 2 && (cells & (cells - 1)) === 0, "a table has a power of 2 of cells");
  return Math.clz32(cells) + 1;
}

/** The home of a fingerprint: the top bits of its words' weighted sum. */
export function homeCell(secret: CellSecret, low: number, high: number, shift: number): number {
  return (Math.imul(secret.low, low) + Math.imul(secret.high, high)) >>> shift;
}

/**
 * Seeds of simulated runs. One seed and one commit give one run.
 */

/** Seeds are whole numbers below this, so that a double holds them exactly. */
export const SEED_END = 2 ** 48;

/** A seed cannot be read. */
export class SeedError extends Error {
  override readonly name = "SeedError";
}

/**
 * Reads a seed: decimal (`7`), hexadecimal (`0x7f3a`), or a commit's hash (40 hexadecimal digits,
 * of which the first twelve count), so that continuous integration has fresh seeds that the commit
 * alone repeats.
 *
 * @throws {SeedError} The text is none of these.
 */
export function parseSeed(text: string): number {
  const digits = text.trim().toLowerCase();
  if (/^[0-9a-f]{40}$/.test(digits)) return parseInt(digits.slice(0, 12), 16);
  const seed = /^0x[0-9a-f]+$/.test(digits) || /^[0-9]+$/.test(digits) ? Number(digits) : NaN;
  if (Number.isSafeInteger(seed) && seed < SEED_END) return seed;
  throw new SeedError(
    `"${text}" is no seed: write a whole number below 2^48 (7, 0x7f3a) or a commit's 40 hexadecimal digits.`,
  );
}

/** The seed as messages show it. */
export function formatSeed(seed: number): string {
  return `0x${seed.toString(16)}`;
}

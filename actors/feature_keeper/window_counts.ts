/**
 * Sums of events in sliding windows, several for each key, as numbers in one array.
 *
 * A window is a ring of {@link PARTS} parts. A sum covers the present part and the parts before it,
 * so a window is as long as it says, up to one part. Time is that of the events: a part that the
 * window has left is cleared by the next event, and passed over by reads.
 */

/** Parts of a window. */
export const PARTS = 12;

/** Numbers of a window: the number of its newest part, then the sums. */
export const WINDOW_NUMBERS = 1 + PARTS;

/** Adds an amount to a window. An event that is older than the window adds nothing. */
export function addToWindow(
  numbers: number[],
  at: number,
  { windowMs, atMs, amount }: {
    readonly windowMs: number;
    readonly atMs: number;
    /** 1 for a count of events. */
    readonly amount: number;
  },
): void {
  const part = partOf(windowMs, atMs);
  const newest = numbers[at];
  if (part <= newest - PARTS) return;
  if (part > newest) {
    const cleared = Math.min(PARTS, part - newest);
    for (let i = 0; i < cleared; i++) numbers[at + 1 + indexOf(part - i)] = 0;
    numbers[at] = part;
  }
  numbers[at + 1 + indexOf(part)] += amount;
}

/** The sum of a window that ends now. */
export function sumOf(
  numbers: readonly number[],
  at: number,
  windowMs: number,
  nowMs: number,
): number {
  const now = partOf(windowMs, nowMs);
  const newest = Math.min(now, numbers[at]);
  const oldest = Math.max(now, numbers[at]) - PARTS + 1;
  let sum = 0;
  for (let part = oldest; part <= newest; part++) sum += numbers[at + 1 + indexOf(part)];
  return sum;
}

function partOf(windowMs: number, atMs: number): number {
  return Math.floor(atMs / (windowMs / PARTS));
}

function indexOf(part: number): number {
  return ((part % PARTS) + PARTS) % PARTS;
}

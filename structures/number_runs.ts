/** A run of numbers that follow each other: `first`, `first + 1`, … */
export interface NumberRun {
  readonly first: number;
  /** Numbers of the run, at least 1. */
  readonly count: number;
}

/**
 * Divides a list into the longest runs of numbers that follow each other, in the order of the list.
 * The elements of a run lie next to each other, so they can be copied at once.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { numberRuns } from "./number_runs.ts";
 *
 * const runs = [{ first: 1, count: 3 }, { first: 7, count: 1 }];
 * assert.deepEqual(numberRuns([1, 2, 3, 7]), runs);
 * ```
 */
export function numberRuns(numbers: readonly number[]): NumberRun[] {
  const runs: { first: number; count: number }[] = [];
  for (const number of numbers) {
    const last = runs.at(-1);
    if (last !== undefined && number === last.first + last.count) last.count++;
    else runs.push({ first: number, count: 1 });
  }
  return runs;
}

/**
 * Contenders take turns and change their order every round, so that a slow phase of the machine
 * affects all of them. A turn is several slices in a row, so that caches warm up. Other work on the
 * machine can only slow a slice down, so the best slice is reported.
 */
import type { Contender } from "./contender.ts";

/** Operations a microsecond of core time (= Mops/s) of each contender, by name. */
export type Rates = ReadonlyMap<string, number>;

const SLICES_PER_TURN = 4;

export async function takeTurns(
  contenders: readonly Contender[],
  rounds: number,
  operations: (slice: number) => number,
  time: (contender: Contender, slice: number) => Promise<number>,
): Promise<Rates> {
  const rates = new Map(contenders.map(({ name }) => [name, 0]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      for (let turn = 0; turn < SLICES_PER_TURN; turn++) {
        const slice = round * SLICES_PER_TURN + turn;
        const rate = operations(slice) / await time(contender, slice) * 1e3;
        rates.set(contender.name, Math.max(rate, rates.get(contender.name)!));
      }
    }
  }
  return rates;
}

/**
 * Insertion into an empty table. Every round does the same work batch by batch, so the best time of
 * each batch counts.
 */
export async function takeInsertTurns(
  contenders: readonly Contender[],
  rounds: number,
  keys: number,
  insert: (contender: Contender) => Promise<readonly number[]>,
): Promise<Rates> {
  const best = new Map<string, readonly number[]>();
  for (let round = 0; round < rounds; round++) {
    for (const contender of rotated(contenders, round)) {
      const spent = await insert(contender);
      const known = best.get(contender.name) ?? spent;
      best.set(contender.name, spent.map((nanoseconds, at) => Math.min(nanoseconds, known[at])));
    }
  }
  const total = (spent: readonly number[]) => spent.reduce((sum, nanoseconds) => sum + nanoseconds);
  return new Map([...best].map(([name, spent]) => [name, keys / total(spent) * 1e3]));
}

function rotated(contenders: readonly Contender[], by: number): readonly Contender[] {
  const first = by % contenders.length;
  return [...contenders.slice(first), ...contenders.slice(0, first)];
}

/**
 * The model of a training table: a Map and its rules in plain TypeScript. With initial values of
 * zero and SGD at rate 1 every number is exact, so table and model can be compared for equality.
 */
import type { TableOptions } from "../../../kernels/embedding/options.ts";

interface ModelRow {
  /** All columns hold the same value. */
  value: number;
  stampSeconds: number;
}

export const EXPIRY_SECONDS: Readonly<Record<number, number>> = { 1: 100, 2: 250 };
export const THRESHOLD_SLOT = 3;
export const THRESHOLD = 5;
export const SLOTS = 5;

/** Slot 1 and 2 expire, slot 3 counts to 5 first, slots 0 and 4 have no rules. */
export function modelledOptions(overrides: Partial<TableOptions> & { dim: number }): TableOptions {
  const { dim, ...rest } = overrides;
  return {
    seed: 1,
    slices: [{
      name: "embeddings",
      dim,
      initializer: { kind: "zeros" },
      optimizer: { kind: "sgd", learningRate: 1 },
    }],
    slots: [
      ...Object.entries(EXPIRY_SECONDS).map(([slot, expirySeconds]) => ({
        number: Number(slot),
        admission: { kind: "threshold", threshold: 0 } as const,
        expirySeconds,
      })),
      { number: THRESHOLD_SLOT, admission: { kind: "threshold", threshold: THRESHOLD } },
    ],
    bytesMax: 1 << 30,
    atLimit: "reject",
    ...rest,
  };
}

const slotOf = (id: bigint) => Number((id >> 48n) & 0x7fffn);

export class TableModel {
  /** All rows, also expired ones until an update or {@link evictExpired} meets them. */
  rows = new Map<bigint, ModelRow>();
  clockSeconds = 0;
  readonly #occurrences = new Map<bigint, number>();

  /** The values of all rows that have not expired. */
  current(): Map<bigint, number> {
    const rows = [...this.rows].filter(([id, row]) => !this.#hasExpired(id, row));
    return new Map(rows.map(([id, { value }]) => [id, value]));
  }

  applyGradient(id: bigint, gradient: number, count: number): void {
    this.#evictIfExpired(id);
    const row = this.rows.get(id);
    if (row !== undefined) {
      this.assign(id, Math.fround(row.value - gradient));
      return;
    }
    const share = this.#admittedShare(id, count);
    if (share > 0) this.assign(id, Math.fround(0 - Math.fround(gradient * share)));
  }

  /** The share of `count` occurrences that lies beyond the slot's threshold. */
  #admittedShare(id: bigint, count: number): number {
    if (slotOf(id) !== THRESHOLD_SLOT) return 1;
    const before = this.#occurrences.get(id) ?? 0;
    this.#occurrences.set(id, before + count);
    const beyond = Math.min(Math.max(before + count - THRESHOLD, 0), count);
    return Math.fround(beyond / count);
  }

  assign(id: bigint, value: number): void {
    this.rows.set(id, { value, stampSeconds: this.clockSeconds });
  }

  evictExpired(): number {
    let evicted = 0;
    for (const id of [...this.rows.keys()]) evicted += Number(this.#evictIfExpired(id));
    return evicted;
  }

  #evictIfExpired(id: bigint): boolean {
    const row = this.rows.get(id);
    return row !== undefined && this.#hasExpired(id, row) && this.rows.delete(id);
  }

  #hasExpired(id: bigint, { stampSeconds }: ModelRow): boolean {
    return this.clockSeconds - stampSeconds >= (EXPIRY_SECONDS[slotOf(id)] ?? Infinity);
  }
}

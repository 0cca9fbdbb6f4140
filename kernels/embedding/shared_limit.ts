/**
 * Several tables under one memory limit: each may grow into what the others have not claimed, but for a reserve that every
 * table can count on. Memory that a table has claimed stays with it, so at the limit it makes room among its own rows.
 */

/** A table whose limit can be moved. */
interface LimitedTable {
  /** Returns the bytes claimed. */
  limitMemory(bytesMax: number): number;
}

/** Of an equal share, what the other tables leave to one that has claimed less. */
const RESERVED_SHARE = 4;

export class SharedLimit {
  readonly #bytesMax: number;
  readonly #tables: readonly LimitedTable[];
  readonly #bytes: number[];
  readonly #reserve: number;

  /** @param bytesMax Of all tables together. */
  constructor(bytesMax: number, tables: readonly LimitedTable[]) {
    this.#bytesMax = bytesMax;
    this.#tables = tables;
    this.#reserve = Math.floor(bytesMax / tables.length / RESERVED_SHARE);
    this.#bytes = tables.map((table) => table.limitMemory(0));
  }

  /** Runs what may grow one of the tables. */
  during<Result>(number: number, work: () => Result): Result {
    const table = this.#tables[number];
    const bytesMax = this.#leftFor(number);
    table.limitMemory(bytesMax);
    try {
      return work();
    } finally {
      this.#bytes[number] = table.limitMemory(bytesMax);
    }
  }

  #leftFor(number: number): number {
    return this.#bytes.reduce(
      (left, bytes, other) => other === number ? left : left - Math.max(bytes, this.#reserve),
      this.#bytesMax,
    );
  }
}

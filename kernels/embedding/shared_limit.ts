/**
 * One memory limit for several tables, or for the rows that their snapshots copy aside. Each table
 * may grow into the memory that the others have not claimed, except for a reserve for each. Claimed
 * memory stays with its table, so at the limit a table makes room among its own rows.
 */

import { invariant } from "../../structures/invariant.ts";

/** A table whose limit can be moved. */
interface LimitedTable {
  /** Returns the bytes claimed. */
  limitMemory(bytesMax: number): number;
}

/**
 * Divisor of an equal share: the part of it that other tables leave to a table with less memory.
 */
const RESERVED_SHARE = 4;

export class SharedLimit {
  #bytesMax: number;
  readonly #tables: readonly LimitedTable[];
  readonly #bytes: number[];
  readonly #reserve: number;

  /** @param bytesMax Memory of all tables together, bytes. */
  constructor(bytesMax: number, tables: readonly LimitedTable[]) {
    this.#bytesMax = bytesMax;
    this.#tables = tables;
    this.#reserve = Math.floor(bytesMax / tables.length / RESERVED_SHARE);
    this.#bytes = tables.map((table) => table.limitMemory(0));
  }

  /** Runs work that may grow one of the tables. */
  during<Result>(number: number, work: () => Result): Result {
    const table = this.#tables[number];
    const bytesMax = this.#leftFor(number);
    table.limitMemory(bytesMax);
    try {
      return work();
    } finally {
      this.#bytes[number] = table.limitMemory(bytesMax);
      invariant(this.#claimed <= this.#bytesMax, "the tables together stay under their limit");
    }
  }

  /** The part of the limit that all tables together have claimed, 0 to 1. */
  get usedShare(): number {
    return this.#claimed / this.#bytesMax;
  }

  /** Moves the limit, but not below the memory that the tables have claimed. */
  moveTo(bytesMax: number): void {
    this.#bytesMax = Math.max(bytesMax, this.#claimed);
  }

  get #claimed(): number {
    return this.#bytes.reduce((sum, each) => sum + each, 0);
  }

  #leftFor(number: number): number {
    return this.#bytes.reduce(
      (left, bytes, other) => other === number ? left : left - Math.max(bytes, this.#reserve),
      this.#bytesMax,
    );
  }
}

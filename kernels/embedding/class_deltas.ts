/**
 * The changes of all classes of a shard's rows since serving has read them, as deltas that are
 * numbered without gaps over all tables.
 */
import { invariant } from "../../structures/invariant.ts";
import type { EmbeddingTable } from "./embedding_table.ts";
import type { TableDelta } from "./table_deltas.ts";

/** Changes of all classes, numbered without gaps. */
export interface ClassDelta {
  /** From 1, one more than the previous delta. */
  readonly sequence: number;
  /** Changes by class; undefined if nothing changed. */
  readonly classes: readonly (Omit<TableDelta, "sequence"> | undefined)[];
}

/** The consumer of changes for serving. */
const CONSUMER = 0;

/** The deltas of all tables of a shard, for one consumer. */
export class ClassDeltas {
  readonly #tables: readonly EmbeddingTable[];
  /**
   * Number of the current lineage, 0 = none has begun. A new lineage means that all rows must be
   * read again.
   */
  #lineage = 0;
  /** Sequence of the last delta. */
  #given = 0;
  /** By table, its own sequence that the consumer has applied. */
  #acknowledged: number[];
  /** By table, its own sequence in the last delta; undefined if it had no changes. */
  #unacknowledged: readonly (number | undefined)[];

  constructor(tables: readonly EmbeddingTable[]) {
    this.#tables = tables;
    this.#acknowledged = tables.map(() => 0);
    this.#unacknowledged = tables.map(() => undefined);
  }

  /**
   * Position of the deltas. A lineage begins with the first {@link take}, and a new one whenever
   * tombstones overflow: then no delta tells which rows were removed, and the consumer has to read
   * all rows by `ClassTables.exportRows`.
   */
  get position(): { readonly lineage: number; readonly sequence: number } {
    return { lineage: this.#lineage, sequence: this.#given };
  }

  /**
   * The next delta of all classes; undefined if nothing is new or a new lineage begins. The rules
   * are those of `TableDeltas.take`, for one consumer.
   *
   * @param acknowledged Highest sequence applied, in the lineage of {@link position}.
   * @param rowsMax Bounds rows, and tombstones, of each class.
   */
  take(acknowledged: number, rowsMax: number): ClassDelta | undefined {
    if (this.#lineage === 0) return this.#beginLineage();
    const waiting = this.#unacknowledged.some((sequence) => sequence !== undefined);
    if (acknowledged < this.#given - Number(waiting) || acknowledged > this.#given) {
      throw new RangeError(
        `Cannot take a delta: ${acknowledged} is behind ${this.#given}, acknowledged before, or was never given`,
      );
    }
    const again = acknowledged < this.#given;
    if (!again) {
      this.#acknowledged = this.#acknowledged.map((before, c) => this.#unacknowledged[c] ?? before);
    }
    // A repeated delta has the classes that it had; later changes belong to the next one.
    const classes: (TableDelta | undefined)[] = [];
    for (const [c, table] of this.#tables.entries()) {
      const asked = !again || this.#unacknowledged[c] !== undefined;
      const delta = asked ? table.deltas.take(CONSUMER, this.#acknowledged[c], rowsMax) : undefined;
      if (delta === "overflowed") return this.#beginLineage();
      classes.push(delta);
    }
    this.#unacknowledged = classes.map((delta) => delta?.sequence);
    if (classes.every((delta) => delta === undefined)) return undefined;
    if (!again) this.#given++;
    invariant(this.#given > acknowledged, "a delta follows the acknowledged one");
    return { sequence: this.#given, classes };
  }

  #beginLineage(): undefined {
    for (const table of this.#tables) table.deltas.begin(CONSUMER);
    this.#lineage++;
    this.#given = 0;
    this.#acknowledged = this.#tables.map(() => 0);
    this.#unacknowledged = this.#tables.map(() => undefined);
  }

  /** Stops recording changes; the next {@link take} begins as the first one does. */
  end(): void {
    for (const table of this.#tables) table.deltas.end(CONSUMER);
    this.#lineage = 0;
    this.#given = 0;
  }
}

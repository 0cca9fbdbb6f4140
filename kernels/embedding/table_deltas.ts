/**
 * The changes of a training table since a consumer has read them: weights for serving, whole rows
 * with the state of their optimizers for a copy of the table.
 */
import type { FeatureIds } from "./options.ts";
import type { SavedRows } from "./table_reader.ts";
import type { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";
import { packRows, type Precision, type ServedWeights } from "./served_weights.ts";

/**
 * Changed rows and removed ids, numbered without gaps per consumer. All arrays own their buffers.
 */
export interface TableDelta {
  /** From 1, one more than the consumer's previous delta. */
  readonly sequence: number;
  readonly ids: FeatureIds;
  readonly rows: ServedWeights;
  /** Removed ids; none of them is in `ids`. */
  readonly tombstones: FeatureIds;
  /** CRC-32C over ids, rows and tombstones as little-endian bytes. */
  readonly checksum: number;
}

/** Whole rows that changed and ids that were removed, numbered without gaps per consumer. */
export interface SavedDelta extends SavedRows {
  /** From 1, one more than the consumer's previous delta. */
  readonly sequence: number;
  /** Removed ids; no row of the delta has one of them. */
  readonly tombstones: FeatureIds;
}

/** Statuses of the kernel's `table_take_delta`. */
const NOTHING_NEW = 0;
const OVERFLOWED = 2;

/** The deltas of one table, for two consumers: 0 and 1. */
export class TableDeltas {
  readonly #memory: KernelMemory;
  readonly #width: number;
  readonly #precision: Precision;
  readonly #savedRowBytes: number;

  /**
   * @param width Weights of a row.
   * @param precision Precision of the weights in deltas.
   * @param savedRowBytes Bytes of a whole row.
   */
  constructor(memory: KernelMemory, width: number, precision: Precision, savedRowBytes: number) {
    this.#memory = memory;
    this.#precision = precision;
    this.#width = width;
    this.#savedRowBytes = savedRowBytes;
  }

  /**
   * Starts recording changes for a consumer; a consumer that had begun starts over. It reads the
   * current rows by `TableReader.rows`, and its deltas, from number 1 on, carry later changes.
   *
   * @param consumer 0 or 1.
   */
  begin(consumer: number): void {
    requireAccepted(
      `begin deltas for consumer ${consumer}`,
      this.#memory.kernel.table_begin_deltas(consumer),
    );
  }

  /**
   * The consumer's next delta, `undefined` if nothing is new. The table keeps a delta until a later
   * call acknowledges its sequence; a call without that returns the same delta. "overflowed" if
   * more ids were removed than the consumer's queue of tombstones holds: it has to {@link begin}
   * again.
   *
   * @param consumer 0 or 1, one that has begun.
   * @param acknowledged Highest sequence that the consumer has applied, 0 at first.
   * @param rowsMax Bounds rows, and tombstones, of one delta.
   */
  take(
    consumer: number,
    acknowledged: number,
    rowsMax: number,
  ): TableDelta | "overflowed" | undefined {
    const memory = this.#memory;
    const status = requireAccepted(
      `take a delta for consumer ${consumer}`,
      memory.kernel.table_take_delta(consumer, acknowledged, rowsMax),
    );
    if (status === NOTHING_NEW) return undefined;
    if (status === OVERFLOWED) return "overflowed";
    const [sequence, rows, removed, checksum] = memory.words(4);
    const precision = this.#precision;
    const packed = precision === "fp32"
      ? { rows: memory.floats(rows * this.#width).slice(), checksum }
      : packRows(memory, rows, removed, precision);
    return {
      sequence,
      ids: memory.ids(rows).slice(),
      tombstones: memory.removed(removed).slice(),
      ...packed,
    };
  }

  /**
   * As {@link take}, with whole rows. A consumer takes all its deltas in one of both forms.
   */
  takeSaved(
    consumer: number,
    acknowledged: number,
    rowsMax: number,
  ): SavedDelta | "overflowed" | undefined {
    const memory = this.#memory;
    const status = requireAccepted(
      `take a delta of whole rows for consumer ${consumer}`,
      memory.kernel.table_take_saved_delta(consumer, acknowledged, rowsMax),
    );
    if (status === NOTHING_NEW) return undefined;
    if (status === OVERFLOWED) return "overflowed";
    const [sequence, rows, removed, checksum] = memory.words(4);
    return {
      sequence,
      rows,
      bytes: memory.bytes(rows * this.#savedRowBytes).slice(),
      tombstones: memory.removed(removed).slice(),
      checksum,
    };
  }

  /** Stops recording changes for a consumer that needs no more deltas. */
  end(consumer: number): void {
    requireAccepted(
      `end deltas for consumer ${consumer}`,
      this.#memory.kernel.table_end_deltas(consumer),
    );
  }
}

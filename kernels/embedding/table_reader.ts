/**
 * Reads a whole training table: its rows in pages, its admission counters in chunks, and a digest.
 */
import type { FeatureIds } from "./options.ts";
import { SAVED_LINE_BYTES, type SnapshotChunk } from "./table_snapshot.ts";
import type { KernelMemory } from "./kernel_memory.ts";
import { requireAccepted } from "./kernel_refusals.ts";
import { packRows, type Precision, type ServedWeights } from "./served_weights.ts";

/** A page of rows. */
export interface ExportedRows {
  readonly ids: FeatureIds;
  readonly rows: ServedWeights;
  /** Argument for the next page. */
  readonly cursor: number;
  readonly done: boolean;
}

/** Whole rows, with the state of their optimizers, for another training table. */
export interface SavedRows {
  readonly rows: number;
  /** Saved rows, one after another. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** CRC-32C of `bytes`. */
  readonly checksum: number;
}

/** A page of whole rows. */
export interface SavedPage extends SavedRows {
  /** Argument for the next page. */
  readonly cursor: number;
  readonly done: boolean;
}

/** A number that tables with the same rows have in common, whatever the order of the rows. */
export interface TableDigest {
  readonly rows: number;
  /** Sum of a hash of each row's id, time of update, weights and optimizer state; 64 bits. */
  readonly digest: bigint;
}

/** Handles that one call of the kernel digests. */
const DIGEST_HANDLES = 2_048;

/** Reads all rows and counters of one table. */
export class TableReader {
  readonly #memory: KernelMemory;
  readonly #width: number;
  readonly #precision: Precision;
  readonly #savedRowBytes: number;

  /**
   * @param width Weights of a row.
   * @param precision Precision of the weights in pages of {@link rows}.
   * @param savedRowBytes Bytes of a whole row.
   */
  constructor(memory: KernelMemory, width: number, precision: Precision, savedRowBytes: number) {
    this.#memory = memory;
    this.#precision = precision;
    this.#width = width;
    this.#savedRowBytes = savedRowBytes;
  }

  /**
   * All rows in pages, in the order of their handles. A row that exists from the first page to the
   * last is returned exactly once, however the table grows meanwhile.
   *
   * @param cursor 0 for the first page.
   */
  rows(cursor: number, rowsMax: number): ExportedRows {
    const memory = this.#memory;
    requireAccepted("export rows", memory.kernel.table_export_rows(cursor, rowsMax));
    const [rows, next, done] = memory.words(3);
    const precision = this.#precision;
    return {
      ids: memory.ids(rows).slice(),
      rows: precision === "fp32"
        ? memory.floats(rows * this.#width).slice()
        : packRows(memory, rows, 0, precision).rows,
      cursor: next,
      done: done === 1,
    };
  }

  /** As {@link rows}, with whole rows. */
  savedRows(cursor: number, rowsMax: number): SavedPage {
    const memory = this.#memory;
    requireAccepted("export whole rows", memory.kernel.table_export_saved(cursor, rowsMax));
    const [rows, next, done, checksum] = memory.words(4);
    const bytes = memory.bytes(rows * this.#savedRowBytes).slice();
    return { rows, bytes, checksum, cursor: next, done: done === 1 };
  }

  /**
   * The admission counters in chunks, as a snapshot holds them. They are of one moment only where
   * no update comes between the chunks.
   */
  *counters(linesMax: number): Generator<SnapshotChunk> {
    const memory = this.#memory;
    for (let cursor = 0, done = false; !done;) {
      const { kernel } = memory;
      requireAccepted("export counters", kernel.table_export_counters(cursor, linesMax));
      const [lines, next, isLast, checksum] = memory.words(4);
      if (lines > 0) {
        const bytes = memory.bytes(lines * SAVED_LINE_BYTES).slice();
        yield { holds: "counters", rows: 0, bytes, checksum };
      }
      [cursor, done] = [next, isLast === 1];
    }
  }

  /** The digest of all rows; visits every row. */
  digest(): TableDigest {
    const memory = this.#memory;
    let [rows, digest] = [0, 0n];
    // In parts: the engine compiles a function better after some calls, not within one.
    for (let cursor = 0, done = 0; done === 0;) {
      requireAccepted("digest the rows", memory.kernel.table_digest(cursor, DIGEST_HANDLES));
      let part, low, high;
      [part, low, high, cursor, done] = memory.words(5);
      rows += part;
      digest += (BigInt(high) << 32n) | BigInt(low);
    }
    return { rows, digest: BigInt.asUintN(64, digest) };
  }
}

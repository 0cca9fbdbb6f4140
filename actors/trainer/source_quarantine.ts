/**
 * The quarantine of one partition, as its trainer adds to it and the blob store has it.
 */
import type { BatchKernel } from "../../kernels/embedding/batch_kernel.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import { lastChunkOf } from "../../records/last_record.ts";
import {
  EMPTY_QUARANTINE,
  type Quarantine,
  type RefusedRow,
  type SkippedStretch,
  takeOverQuarantine,
  withLostFrom,
  withRefused,
  writeQuarantine,
} from "../../records/quarantine.ts";
import type { Progress } from "./example_batch.ts";

/** The stores of a quarantine. */
export interface QuarantineStores {
  readonly blobs: BlobStore;
  /** The log whose rows the quarantine names. */
  readonly exampleLog: Pick<EventLog, "read" | "endOffset">;
  readonly kernel: BatchKernel;
}

export class SourceQuarantine {
  readonly #stores: QuarantineStores;
  readonly #partition: number;
  /** Tenure under which it is written. */
  readonly tenure: number;
  #quarantine: Quarantine;
  /** The quarantine that the blob store has. */
  #stored: Quarantine;
  /** The newest position of rows and stretches that were added since the start. */
  #end: Pick<Progress, "offset" | "sequence"> | undefined;

  private constructor(
    stores: QuarantineStores,
    partition: number,
    quarantine: Quarantine,
    tenure: number,
  ) {
    this.#stores = stores;
    this.#partition = partition;
    this.tenure = tenure;
    this.#quarantine = this.#stored = quarantine;
  }

  /**
   * Takes over the quarantine of earlier incarnations, see {@link takeOverQuarantine}.
   *
   * @throws {Error} It is damaged, or cannot be taken over.
   */
  static async open(
    stores: QuarantineStores,
    partition: number,
    tenure?: number,
  ): Promise<SourceQuarantine> {
    const stored = await takeOverQuarantine(stores.blobs, gradientSource(partition), tenure);
    return new SourceQuarantine(stores, partition, stored.quarantine, stored.tenure);
  }

  /** A quarantine that is not read yet. */
  static empty(stores: QuarantineStores, partition: number): SourceQuarantine {
    return new SourceQuarantine(stores, partition, EMPTY_QUARANTINE, 0);
  }

  /** Rows that are passed over, since the trainer went back to a snapshot before them. */
  get skipped(): readonly SkippedStretch[] {
    return this.#quarantine.skipped;
  }

  /**
   * Adds refused rows; {@link save} writes them.
   *
   * @param after The progress after their batch.
   * @returns Rows that no earlier incarnation has recorded.
   */
  add(rows: readonly RefusedRow[], after: Progress): number {
    const before = this.#quarantine;
    this.#quarantine = withRefused(before, rows);
    if (this.#quarantine !== before) this.#reach(after);
    return this.#quarantine.rowsRefused - before.rowsRefused;
  }

  /**
   * Deletes the recorded rows that have an erased id.
   *
   * @returns How many they were.
   * @throws {Error} When the quarantine cannot be written.
   */
  async erase(ids: ReadonlySet<bigint>): Promise<number> {
    const { rows } = this.#quarantine;
    const isErased = (row: RefusedRow) => row.ids.some((id) => ids.has(BigInt(id)));
    const kept = rows.filter((row) => !isErased(row));
    // The store may have a row that was dropped since for a newer one.
    if (kept.length === rows.length && !this.#stored.rows.some(isErased)) return 0;
    await this.#store({ ...this.#quarantine, rows: kept });
    return rows.length - kept.length;
  }

  /**
   * Writes the quarantine, unless the blob store has it.
   *
   * @throws {Error} When it cannot be written.
   */
  async save(): Promise<void> {
    if (this.#quarantine !== this.#stored) await this.#store(this.#quarantine);
  }

  /**
   * Records a stretch that is passed over from now on, also after a restart. The newest one is not
   * recorded twice: the store may have refused that of another partition, and all are tried again.
   *
   * @param end The progress at the stretch's end.
   * @throws {Error} When it cannot be written: then the trainer must not go back.
   */
  async skip(stretch: SkippedStretch, end: Progress | undefined): Promise<void> {
    const newest = this.skipped.at(-1);
    const isRecorded = newest?.from === stretch.from && newest.to === stretch.to &&
      newest.version === stretch.version;
    if (isRecorded) return;
    if (end !== undefined) this.#reach(end);
    await this.#store({ ...this.#quarantine, skipped: [...this.skipped, stretch] });
  }

  /**
   * Gives up the numbers of rows that the log has lost, to which a snapshot before them does not
   * reach: other rows may have these numbers.
   *
   * @param sequence The rows before are those of the quarantine.
   * @returns Whether rows were lost.
   * @throws {LogUnavailableError | LogTailLostError} The log cannot be read.
   */
  async giveUpLost(sequence: number): Promise<boolean> {
    const { end } = this.#quarantine;
    if (end === undefined || end.sequence <= sequence) return false;
    const lastChunk = await this.#lastChunkAt(end);
    if (lastChunk === end.lastChunk) return false;
    // A chunk that was trimmed, as one process without snapshots does, is never read again.
    const logEnd = await this.#stores.exampleLog.endOffset(this.#partition);
    if (lastChunk === undefined && end.offset <= logEnd) return false;
    this.#quarantine = withLostFrom(this.#quarantine, sequence);
    return true;
  }

  #reach(end: Pick<Progress, "offset" | "sequence">): void {
    const newest = this.#end ?? this.#quarantine.end;
    if (newest === undefined || end.sequence > newest.sequence) this.#end = end;
  }

  #lastChunkAt(at: Pick<Progress, "offset" | "sequence">): Promise<number | undefined> {
    const { exampleLog, kernel } = this.#stores;
    return lastChunkOf(exampleLog, kernel, { partition: this.#partition, ...at });
  }

  /** The quarantine stays as it is where the store refuses another one. */
  async #store(quarantine: Quarantine): Promise<void> {
    const stored = { ...quarantine, ...await this.#newEnd() };
    await writeQuarantine(
      this.#stores.blobs,
      gradientSource(this.#partition),
      stored,
      this.tenure,
    );
    this.#quarantine = this.#stored = stored;
  }

  async #newEnd(): Promise<Pick<Quarantine, "end">> {
    if (this.#end === undefined) return {};
    const { offset, sequence } = this.#end;
    const lastChunk = await this.#lastChunkAt(this.#end);
    return lastChunk === undefined ? {} : { end: { offset, sequence, lastChunk } };
  }
}

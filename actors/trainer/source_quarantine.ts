/**
 * The quarantine of one partition, as its trainer adds to it and the blob store has it.
 */
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import {
  EMPTY_QUARANTINE,
  type Quarantine,
  type RefusedRow,
  type SkippedStretch,
  takeOverQuarantine,
  withRefused,
  writeQuarantine,
} from "../../records/quarantine.ts";

export class SourceQuarantine {
  readonly #blobs: BlobStore;
  readonly #source: string;
  readonly #tenure: number;
  #quarantine: Quarantine;
  /** The quarantine that the blob store has. */
  #stored: Quarantine;

  private constructor(blobs: BlobStore, source: string, quarantine: Quarantine, tenure: number) {
    this.#blobs = blobs;
    this.#source = source;
    this.#tenure = tenure;
    this.#quarantine = this.#stored = quarantine;
  }

  /**
   * Takes over the quarantine of earlier incarnations, see {@link takeOverQuarantine}.
   *
   * @throws {Error} It is damaged, or cannot be taken over.
   */
  static async open(blobs: BlobStore, source: string, tenure?: number): Promise<SourceQuarantine> {
    const stored = await takeOverQuarantine(blobs, source, tenure);
    return new SourceQuarantine(blobs, source, stored.quarantine, stored.tenure);
  }

  /** A quarantine that is not read yet. */
  static empty(blobs: BlobStore, source: string): SourceQuarantine {
    return new SourceQuarantine(blobs, source, EMPTY_QUARANTINE, 0);
  }

  /** Rows that are passed over, since the trainer went back to a snapshot before them. */
  get skipped(): readonly SkippedStretch[] {
    return this.#quarantine.skipped;
  }

  /**
   * Adds refused rows; {@link save} writes them.
   *
   * @returns Rows that no earlier incarnation has recorded.
   */
  add(rows: readonly RefusedRow[]): number {
    const before = this.#quarantine;
    this.#quarantine = withRefused(before, rows);
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
    const kept = rows.filter((row) => !row.ids.some((id) => ids.has(BigInt(id))));
    if (kept.length === rows.length) return 0;
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
   * @throws {Error} When it cannot be written: then the trainer must not go back.
   */
  async skip(stretch: SkippedStretch): Promise<void> {
    const newest = this.skipped.at(-1);
    const isRecorded = newest?.from === stretch.from && newest.to === stretch.to &&
      newest.version === stretch.version;
    if (isRecorded) return;
    await this.#store({ ...this.#quarantine, skipped: [...this.skipped, stretch] });
  }

  /** The quarantine stays as it is where the store refuses another one. */
  async #store(quarantine: Quarantine): Promise<void> {
    await writeQuarantine(this.#blobs, this.#source, quarantine, this.#tenure);
    this.#quarantine = this.#stored = quarantine;
  }
}

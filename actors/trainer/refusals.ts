/**
 * Keeps the trainer's quarantine, and counts the batches that were refused for the most part.
 */
import type { TrainingCheckpoint } from "../../kernels/dense/training_session.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import {
  EMPTY_QUARANTINE,
  type Quarantine,
  type RefusedRow,
  type SkippedStretch,
  type StoredQuarantine,
  takeOverQuarantine,
  withRefused,
  writeQuarantine,
} from "../../records/quarantine.ts";
import type { BatchJudgement } from "../../records/trainer_state.ts";
import type { RefusedPart } from "./bisection.ts";
import type { ExampleBatch } from "./example_batch.ts";
import type { TrainerOptions } from "./options.ts";

/** Number of the last batches that are looked at. */
const BATCHES_JUDGED = 10;
/** More of these batches with most rows refused raise the suspicion that the model is broken. */
const BATCHES_REFUSED_MAX = 2;
/** Returns to a snapshot within {@link GOING_BACK_PERIOD_MS}. Beyond, training stops. */
const GOING_BACK_MAX = 3;
const GOING_BACK_PERIOD_MS = 24 * 3_600_000;

export class Refusals {
  readonly #blobs: BlobStore;
  readonly #clock: Clock;
  readonly #source: string;
  readonly #tenure: number;
  #quarantine: Quarantine;
  /** The quarantine that the blob store has. */
  #stored: Quarantine;
  /** For each of the last batches, whether most of its rows were refused; newest last. */
  #mostlyRefused: readonly boolean[] = [];
  #refusedInARow = 0;

  private constructor(
    blobs: BlobStore,
    clock: Clock,
    source: string,
    { quarantine, tenure }: StoredQuarantine,
  ) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#source = source;
    this.#tenure = tenure;
    this.#quarantine = this.#stored = quarantine;
  }

  /**
   * Takes over the quarantine of earlier incarnations, see {@link takeOverQuarantine}.
   *
   * @throws {Error} It is damaged, or cannot be taken over.
   */
  static async open(
    blobs: BlobStore,
    clock: Clock,
    { source, tenure }: Pick<TrainerOptions, "source" | "tenure">,
  ): Promise<Refusals> {
    const stored = await takeOverQuarantine(blobs, source, tenure);
    return new Refusals(blobs, clock, source, stored);
  }

  /** A quarantine that is not read yet. */
  static empty(blobs: BlobStore, clock: Clock, source: string): Refusals {
    return new Refusals(blobs, clock, source, { quarantine: EMPTY_QUARANTINE, tenure: 0 });
  }

  /** Rows that are passed over, since the trainer went back to a snapshot before them. */
  get skipped(): readonly SkippedStretch[] {
    return this.#quarantine.skipped;
  }

  /** The checkpoint with a version above all weights that were given up, so that it is served. */
  aboveGivenUp(checkpoint: TrainingCheckpoint): TrainingCheckpoint {
    const givenUp = Math.max(0, ...this.skipped.map(({ version }) => version + 1));
    const { step, versionBefore } = checkpoint;
    return { ...checkpoint, versionBefore: Math.max(versionBefore, givenUp - step) };
  }

  /** Goes on with the judgement of an earlier incarnation. */
  restore({ mostlyRefused, refusedInARow }: BatchJudgement): void {
    this.#mostlyRefused = mostlyRefused;
    this.#refusedInARow = refusedInARow;
  }

  /** The judgement of the last batches, without the reference. */
  get judgement(): Omit<BatchJudgement, "reference"> {
    return { mostlyRefused: this.#mostlyRefused, refusedInARow: this.#refusedInARow };
  }

  /** Whether several of the last batches were refused for the most part. */
  get areMany(): boolean {
    return this.#mostlyRefused.filter(Boolean).length > BATCHES_REFUSED_MAX;
  }

  /** Number of the batches up to the last one that were refused for the most part. */
  get inARow(): number {
    return this.#refusedInARow;
  }

  /** Looks at further batches alone: the rows of the last ones are broken, and not the model. */
  forget(): void {
    this.#mostlyRefused = [];
  }

  /** Whether another return to a snapshot is allowed. */
  get mayGoBack(): boolean {
    const sinceMs = this.#clock.nowMs() - GOING_BACK_PERIOD_MS;
    const recent = this.skipped.filter(({ skippedAtMs }) => skippedAtMs > sinceMs);
    return recent.length < GOING_BACK_MAX;
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

  /** Notes a batch that was learned whole. */
  learned(): void {
    this.#note(false);
  }

  /**
   * Notes the rows of a batch that were left out; {@link save} writes them.
   *
   * @returns Rows that no earlier incarnation has recorded.
   */
  record(batch: ExampleBatch, refused: readonly RefusedPart[]): number {
    const rows = refused.flatMap((part) => refusedRows(part, this.#clock.nowMs()));
    this.#note(rows.length > batch.features.rows / 2);
    const before = this.#quarantine;
    this.#quarantine = withRefused(before, rows);
    return this.#quarantine.rowsRefused - before.rowsRefused;
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
   * Records a stretch that is passed over from now on, also after a restart.
   *
   * @throws {Error} When it cannot be written: then the trainer must not go back.
   */
  async skip(stretch: Omit<SkippedStretch, "skippedAtMs">): Promise<void> {
    const skippedAtMs = this.#clock.nowMs();
    const skipped = [...this.skipped, { ...stretch, skippedAtMs }];
    await this.#store({ ...this.#quarantine, skipped });
  }

  #note(mostlyRefused: boolean): void {
    this.#refusedInARow = mostlyRefused ? this.#refusedInARow + 1 : 0;
    if (!mostlyRefused && this.#mostlyRefused.length === 0) return;
    this.#mostlyRefused = [...this.#mostlyRefused, mostlyRefused].slice(-BATCHES_JUDGED);
  }

  /** The quarantine stays as it is where the store refuses another one. */
  async #store(quarantine: Quarantine): Promise<void> {
    await writeQuarantine(this.#blobs, this.#source, quarantine, this.#tenure);
    this.#quarantine = this.#stored = quarantine;
  }
}

function refusedRows({ part, error }: RefusedPart, refusedAtMs: number): RefusedRow[] {
  const { features, labels, logSampleRate, sequence, atMs } = part;
  const { rows, ids, listOffsets, dense } = features;
  const [slots, denseWidth] = [(listOffsets.length - 1) / rows, dense.length / rows];
  const tasks = labels.length / rows;
  return Array.from({ length: rows }, (_, row) => ({
    row: sequence - rows + row,
    refusedAtMs,
    reason: error.message,
    atMs,
    labels: Array.from(labels.subarray(row * tasks, (row + 1) * tasks), String),
    dense: Array.from(dense.subarray(row * denseWidth, (row + 1) * denseWidth), String),
    logSampleRate: String(logSampleRate[row]),
    ids: Array.from(
      ids.subarray(listOffsets[row * slots], listOffsets[(row + 1) * slots]),
      String,
    ),
  }));
}

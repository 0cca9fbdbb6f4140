/**
 * Keeps the quarantines of a trainer's partitions, and counts the batches that were refused for the
 * most part.
 */
import type { TrainingCheckpoint } from "../../kernels/dense/training_session.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import { gradientSource } from "../../records/gradient_source.ts";
import {
  deleteEarlierQuarantines,
  type RefusedRow,
  type SkippedStretch,
} from "../../records/quarantine.ts";
import type { BatchJudgement } from "../../records/trainer_state.ts";
import { present } from "../../structures/invariant.ts";
import type { RefusedPart } from "./bisection.ts";
import type { ExampleBatch, Progresses } from "./example_batch.ts";
import type { TrainerOptions } from "./options.ts";
import { type QuarantineStores, SourceQuarantine } from "./source_quarantine.ts";

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
  readonly #quarantines: ReadonlyMap<number, SourceQuarantine>;
  /** For each of the last batches, whether most of its rows were refused; newest last. */
  #mostlyRefused: readonly boolean[] = [];
  #refusedInARow = 0;

  private constructor(
    { blobs }: QuarantineStores,
    clock: Clock,
    quarantines: ReadonlyMap<number, SourceQuarantine>,
  ) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#quarantines = quarantines;
  }

  /**
   * Takes over the quarantines of earlier incarnations.
   *
   * @throws {Error} One is damaged, or cannot be taken over.
   */
  static async open(
    stores: QuarantineStores,
    clock: Clock,
    { partitions, tenure }: Pick<TrainerOptions, "partitions" | "tenure">,
  ): Promise<Refusals> {
    const opened = partitions.map(async (partition) => {
      const quarantine = await SourceQuarantine.open(stores, partition, tenure);
      return [partition, quarantine] as const;
    });
    return new Refusals(stores, clock, new Map(await Promise.all(opened)));
  }

  /** Quarantines that are not read yet. */
  static empty(
    stores: QuarantineStores,
    clock: Clock,
    partitions: readonly number[],
  ): Refusals {
    const all = partitions.map((partition) => {
      return [partition, SourceQuarantine.empty(stores, partition)] as const;
    });
    return new Refusals(stores, clock, new Map(all));
  }

  /**
   * Gives up the numbers of rows after a cut that the log has lost, see
   * {@link SourceQuarantine.giveUpLost}.
   *
   * @param cut The cut of the snapshot that the trainer begins from, whose rows the log has.
   * @returns The partitions that have lost rows.
   * @throws {LogUnavailableError | LogTailLostError} The log cannot be read.
   */
  async giveUpLost(cut: Progresses): Promise<number[]> {
    const lost: number[] = [];
    for (const [partition, quarantine] of this.#quarantines) {
      if (await quarantine.giveUpLost(cut.get(partition)?.sequence ?? 0)) lost.push(partition);
    }
    return lost;
  }

  /** Rows that are passed over, since the trainer went back to a snapshot before them. */
  skippedOf(partition: number): readonly SkippedStretch[] {
    return this.#of(partition).skipped;
  }

  /** The checkpoint with a version above all weights that were given up, so that it is served. */
  aboveGivenUp(checkpoint: TrainingCheckpoint): TrainingCheckpoint {
    const skipped = [...this.#quarantines.values()].flatMap((each) => each.skipped);
    const givenUp = Math.max(0, ...skipped.map(({ version }) => version + 1));
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
    // A return adds a stretch to each partition.
    return [...this.#quarantines.values()].every(({ skipped }) =>
      skipped.filter(({ skippedAtMs }) => skippedAtMs > sinceMs).length < GOING_BACK_MAX
    );
  }

  /**
   * Deletes the recorded rows that have an erased id, of all partitions: no erasure comes to the
   * ended ones. Deletes the quarantines of earlier tenures too: a trainer that was paused may have
   * written one since the present trainer began.
   *
   * @returns How many rows they were.
   * @throws {Error} When a quarantine cannot be written.
   */
  async erase(ids: ReadonlySet<bigint>): Promise<number> {
    const tenures = [...this.#quarantines].map(([partition, { tenure }]) =>
      [gradientSource(partition), tenure] as const
    );
    await deleteEarlierQuarantines(this.#blobs, new Map(tenures));
    let erased = 0;
    for (const quarantine of this.#quarantines.values()) erased += await quarantine.erase(ids);
    return erased;
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
    return this.#of(batch.partition).add(rows, batch.after);
  }

  /**
   * Writes the quarantines that the blob store lacks.
   *
   * @throws {Error} When one cannot be written.
   */
  async save(): Promise<void> {
    for (const quarantine of this.#quarantines.values()) await quarantine.save();
  }

  /**
   * Records stretches that are passed over from now on, also after a restart.
   *
   * @param now The progress at their ends.
   * @throws {Error} When one cannot be written: then the trainer must not go back.
   */
  async skip(
    stretches: ReadonlyMap<number, Omit<SkippedStretch, "skippedAtMs">>,
    now: Progresses,
  ): Promise<void> {
    const skippedAtMs = this.#clock.nowMs();
    for (const [partition, stretch] of stretches) {
      await this.#of(partition).skip({ ...stretch, skippedAtMs }, now.get(partition));
    }
  }

  #note(mostlyRefused: boolean): void {
    this.#refusedInARow = mostlyRefused ? this.#refusedInARow + 1 : 0;
    if (!mostlyRefused && this.#mostlyRefused.length === 0) return;
    this.#mostlyRefused = [...this.#mostlyRefused, mostlyRefused].slice(-BATCHES_JUDGED);
  }

  #of(partition: number): SourceQuarantine {
    return present(this.#quarantines.get(partition), "a trainer reads its own partitions");
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

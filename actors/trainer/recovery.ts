/**
 * The reaction of a trainer to a batch that the training step refuses: it learns the accepted parts
 * and puts the others aside, and goes back to a snapshot where the model itself is broken.
 *
 * A client can send any number of bad rows one after another. So where most rows are refused, the
 * model is tried on examples that it has accepted before: a sound model accepts them again.
 */
import type { TrainingSession } from "../../kernels/dense/training_session.ts";
import type { ExampleColumns } from "../../kernels/features/schema_fingerprint.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import type { SkippedStretch } from "../../records/quarantine.ts";
import type { BatchJudgement } from "../../records/trainer_state.ts";
import type { BatchPipeline, RefusedBatch } from "./batch_pipeline.ts";
import { bisect, type RefusedPart } from "./bisection.ts";
import type { TrainerOptions } from "./options.ts";
import { decodeReference, encodeReference, referenceOf } from "./reference_batch.ts";
import type { Refusals } from "./refusals.ts";
import { type WayBack, wayBackOf } from "./resume_point.ts";
import type { ShardClient } from "./shard_client.ts";
import type { TrainerMetrics } from "./trainer_metrics.ts";
import { type ExampleBatch, type Progresses, rangeOf } from "./example_batch.ts";
import { present } from "../../structures/invariant.ts";

/**
 * Batches refused for the most part, one after another, that mean a broken model where it has
 * accepted none so far. More than a client sends at once.
 */
const UNTRIED_BATCHES_MAX = 20;

/** Pause after a write of the quarantine that failed: a store that is away takes long to say so. */
const SAVE_PAUSE_MS = 10_000;

export interface RecoveryParts {
  readonly options: Pick<
    TrainerOptions,
    "name" | "partitions" | "partitionedFrom" | "ownBlobs" | keyof ExampleColumns
  >;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly blobs: BlobStore;
  readonly session: TrainingSession;
  readonly shards: ShardClient;
  readonly pipeline: BatchPipeline;
  readonly metrics: TrainerMetrics;
}

export class Recovery {
  readonly #parts: RecoveryParts;
  readonly #refusals: Refusals;
  #rowsRefused = 0;
  /** No earlier write of the quarantine with refused rows, on the monotonic clock, ms. */
  #saveAfterMs = -Infinity;
  /** The newest batch that was learned whole; before the first, the newest part of one. */
  #accepted: ExampleBatch | undefined;
  /** Whether a refused batch is being learned in parts. */
  #inParts = false;

  constructor(parts: RecoveryParts, refusals: Refusals) {
    this.#parts = parts;
    this.#refusals = refusals;
  }

  /** Rows put aside since the start that no earlier incarnation has put aside. */
  get rowsRefused(): number {
    return this.#rowsRefused;
  }

  /** The judgement of the last batches, for a snapshot. */
  get judgement(): BatchJudgement {
    const accepted = this.#accepted;
    const reference = accepted &&
      encodeReference(this.#parts.options, referenceOf(accepted));
    return { ...this.#refusals.judgement, reference };
  }

  /** Goes on with the judgement in a snapshot. Examples of another schema are no reference. */
  restore(judgement: BatchJudgement): void {
    const { reference } = judgement;
    this.#refusals.restore(judgement);
    this.#accepted = reference && decodeReference(this.#parts.options, reference);
  }

  /** Whether the model is broken, and not the rows of the last batches. */
  async isModelBroken(): Promise<boolean> {
    const { pipeline, options, telemetry } = this.#parts;
    if (!this.#refusals.areMany) return false;
    if (this.#accepted === undefined) return this.#refusals.inARow >= UNTRIED_BATCHES_MAX;
    const reference = referenceOf(this.#accepted);
    if (!await pipeline.accepts(reference)) return true;
    this.#refusals.forget();
    telemetry.log(
      "warn",
      `${options.name} keeps its model although it refused most of the last examples: it accepts ` +
        `those of rows ${rangeOf(reference)} again`,
    );
    return false;
  }

  /** Notes a batch, or a part of one, that was learned. */
  learned(batch: ExampleBatch): void {
    if (!this.#inParts) this.#refusals.learned();
    if (!this.#inParts || this.#accepted === undefined) this.#accepted = batch;
  }

  /**
   * Drops the rows of erased ids from the quarantines, and the reference that has some.
   *
   * @returns Rows of the quarantines that were deleted.
   */
  async erase(ids: readonly bigint[]): Promise<number> {
    const erased = new Set(ids);
    if (this.#accepted?.features.ids.some((id) => erased.has(id))) this.#accepted = undefined;
    return await this.#refusals.erase(erased);
  }

  /** Learns from a refused batch without the rows that cause the refusal, which are recorded. */
  async putAside({ batch, error }: RefusedBatch): Promise<void> {
    const { pipeline, metrics, options, telemetry, clock } = this.#parts;
    this.#inParts = true;
    const refused = await bisect(batch, error, async (part) => {
      pipeline.begin(part);
      return (await pipeline.learnOldest())?.error;
    });
    this.#inParts = false;
    this.#log(batch.partition, refused, error);
    const rows = this.#refusals.record(batch, refused);
    this.#rowsRefused += rows;
    metrics.rowsRefused(rows);
    if (clock.monotonicMs() < this.#saveAfterMs) return; // a cut saves it in any case
    try {
      await this.saveQuarantine();
    } catch (cause) {
      this.#saveAfterMs = clock.monotonicMs() + SAVE_PAUSE_MS;
      telemetry.log("warn", `cannot write the quarantine of ${options.name}`, { cause });
    }
  }

  /**
   * Writes the quarantine where the blob store lacks rows of it.
   *
   * @throws {Error} The store refuses it.
   */
  saveQuarantine(): Promise<void> {
    return this.#refusals.save();
  }

  /**
   * Gives up the model's newest state: the shards restart from the newest snapshot, or from an
   * older one if the model broke again after its return to the newest. The trainer restarts after
   * them, and the rows since the snapshot are passed over.
   *
   * @param now Rows that are learned or put aside, by partition.
   * @returns Why it is impossible: training must stop. Undefined where the blob store refuses the
   * record: it is to be tried again later.
   * @throws {Error} Otherwise, to have the trainer restarted.
   */
  async goBack(now: Progresses, error: Error): Promise<string | undefined> {
    const { options: { name }, session, shards, metrics } = this.#parts;
    const { version } = await session.weights();
    const way = await this.#noteWayBack(now, { reason: error.message, version });
    if (way === "refused") return undefined;
    if (way === undefined) {
      return `${name} has stopped training: its model refuses most examples, and there is no ` +
        `snapshot to go back to, or it went back too often. Serving continues with the last ` +
        `accepted weights. ${error.message}`;
    }
    metrics.wentBack();
    await shards.goBack();
    const rows = way.map(({ partition, sequence }) =>
      `${sequence} to ${
        present(now.get(partition), "a trainer goes back in its own partitions").sequence
      } of ` +
      `partition ${partition}`
    );
    throw new Error(
      `${name} goes back to a snapshot, and passes over the rows ${rows.join(", ")}: its model ` +
        `refuses most examples. ${error.message}`,
    );
  }

  /**
   * Records the stretches from the snapshot to go back to, so that they are passed over.
   *
   * @returns Where they begin; undefined where the trainer may go back to no snapshot.
   */
  async #noteWayBack(
    now: Progresses,
    why: Pick<SkippedStretch, "reason" | "version">,
  ): Promise<readonly WayBack[] | undefined | "refused"> {
    const { options, blobs, telemetry } = this.#parts;
    if (!this.#refusals.mayGoBack) return undefined;
    try {
      const refusedAt = (partition: number) => this.#refusals.skippedOf(partition).at(-1)?.from;
      const way = await wayBackOf(blobs, options, refusedAt);
      if (way === undefined) return undefined;
      const stretches = way.map(({ partition, sequence: from }) => {
        const { sequence: to } = present(
          now.get(partition),
          "a trainer goes back in its own partitions",
        );
        return [partition, { ...why, from, to }] as const;
      });
      await this.#refusals.skip(new Map(stretches), now);
      return way;
    } catch (cause) {
      const message =
        `${options.name} learns nothing until the blob store takes the record of its way ` +
        "back to a snapshot";
      telemetry.log("warn", message, { cause });
      return "refused";
    }
  }

  #log(partition: number, refused: readonly RefusedPart[], error: Error): void {
    const { options: { name }, telemetry } = this.#parts;
    const fields = { cause: error.message };
    if (refused.length === 0) {
      const message = `${name} learned a batch in parts, which was refused as a whole`;
      return telemetry.log("warn", message, fields);
    }
    const rows = refused.map(({ part }) => rangeOf(part)).join(", ");
    const message = `${name} put examples aside whose loss is not finite or exploded, and goes ` +
      `on: rows ${rows} of partition ${partition} of the example log`;
    telemetry.log("error", message, fields);
  }
}

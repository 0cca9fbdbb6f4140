/**
 * The metrics of one trainer.
 */
import type { Counter, Gauge, Histogram, Telemetry } from "../../mesh/ports/telemetry.ts";

const STEP_BUCKETS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

export class TrainerMetrics {
  readonly #labels: { readonly trainer: string };
  readonly #examples: Counter;
  readonly #skipped: Counter;
  readonly #refused: Counter;
  readonly #wentBack: Counter;
  readonly #logLost: Counter;
  readonly #loss: Gauge;
  readonly #learned: Gauge;
  readonly #diverged: Gauge;
  readonly #stepMs: Histogram;

  constructor(telemetry: Telemetry, labels: { readonly trainer: string }) {
    this.#labels = labels;
    const labelNames = ["trainer"];
    this.#examples = telemetry.counter("cairn_trainer_examples_total", {
      help: "Examples trained on.",
      labelNames,
    });
    this.#skipped = telemetry.counter("cairn_trainer_examples_skipped_total", {
      help: "Examples of another schema, which are not trained on.",
      labelNames,
    });
    this.#refused = telemetry.counter("cairn_trainer_rows_refused_total", {
      help: "Examples put aside because their loss was not finite or exploded.",
      labelNames,
    });
    this.#wentBack = telemetry.counter("cairn_trainer_went_back_total", {
      help: "Returns to the newest snapshot because the model refused most examples.",
      labelNames,
    });
    this.#logLost = telemetry.counter("cairn_trainer_log_lost_total", {
      help: "Returns of all shards to the newest snapshot because the example log had lost what " +
        "they had learned.",
      labelNames,
    });
    this.#loss = telemetry.gauge("cairn_trainer_loss", {
      help: "Mean loss of the last batch, computed before the update.",
      labelNames,
    });
    this.#learned = telemetry.gauge("cairn_trainer_rows_learned", {
      help: "Rows of a partition that are learned, including those before a restart.",
      labelNames: ["partition"],
    });
    this.#diverged = telemetry.gauge("cairn_trainer_diverged", {
      help:
        "1 when training has stopped: the model refuses most examples, also after it went back.",
      labelNames,
    });
    this.#diverged.set(0, labels);
    this.#stepMs = telemetry.histogram("cairn_trainer_step_ms", {
      help: "Duration of one batch, from the lookup to the applied gradients, ms.",
      labelNames,
      buckets: STEP_BUCKETS_MS,
    });
  }

  batchLearned({ rows, loss, tookMs }: { rows: number; loss: number; tookMs: number }): void {
    this.#examples.add(rows, this.#labels);
    this.#loss.set(loss, this.#labels);
    this.#stepMs.record(tookMs, this.#labels);
  }

  rowsSkipped(rows: number): void {
    this.#skipped.add(rows, this.#labels);
  }

  rowsRefused(rows: number): void {
    this.#refused.add(rows, this.#labels);
  }

  wentBack(): void {
    this.#wentBack.add(1, this.#labels);
  }

  logLost(): void {
    this.#logLost.add(1, this.#labels);
  }

  /** @param sequence Rows of the partition that are learned or skipped. */
  learnedUpTo(partition: number, sequence: number): void {
    this.#learned.set(sequence, { partition: String(partition) });
  }

  diverged(): void {
    this.#diverged.set(1, this.#labels);
  }
}

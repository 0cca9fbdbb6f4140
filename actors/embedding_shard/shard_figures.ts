/**
 * The metrics of a shard's tables: rows and memory by class, load of the indexes, changes that wait
 * for the replicas, lookups, and outcomes of updates, including rejections for lack of memory.
 */
import type { ClassTablesStatistics } from "../../kernels/embedding/class_statistics.ts";
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Counter, Gauge, Histogram, Telemetry } from "../../mesh/ports/telemetry.ts";

/** Interval at which the entries per bucket are counted, ms. Counting visits all buckets. */
const BUCKETS_INTERVAL_MS = 60_000;

/** Interval at which the figures are shown while deltas are taken, ms: half a console's sample. */
const FIGURES_INTERVAL_MS = 2_500;

/** Outcomes of updates, as the tables count them. */
const OUTCOMES = ["admitted", "filtered", "updated", "evicted", "rejected"] as const;

export class ShardFigures {
  readonly #clock: Clock;
  readonly #shard: string;
  readonly #labels: { readonly shard: string };
  readonly #rows: Gauge;
  readonly #bytes: Gauge;
  readonly #bytesMax: Gauge;
  readonly #load: Gauge;
  readonly #buckets: Gauge;
  readonly #touched: Gauge;
  readonly #lookups: Counter;
  readonly #missing: Counter;
  readonly #updates: Counter;
  readonly #gradientRows: Counter;
  readonly #frozenMs: Histogram;
  #before: ClassTablesStatistics;
  #bucketsShownMs = -Infinity;
  #shownMs = -Infinity;

  /**
   * @param restored Statistics after the restore: rows of a snapshot do not count as updates.
   * @param bytesMax Limit of the tables' memory.
   */
  constructor(
    { telemetry, clock }: { readonly telemetry: Telemetry; readonly clock: Clock },
    shard: number,
    restored: ClassTablesStatistics,
    bytesMax: number,
  ) {
    this.#clock = clock;
    this.#shard = String(shard);
    this.#labels = { shard: this.#shard };
    this.#rows = telemetry.gauge("cairn_shard_rows", {
      help: "Rows in the training tables, by class: slots of the same widths and optimizers.",
      labelNames: ["shard", "class"],
    });
    this.#bytes = telemetry.gauge("cairn_shard_bytes", {
      help: "Memory of the training tables, by class of rows.",
      labelNames: ["shard", "class"],
    });
    const labelNames = ["shard"];
    this.#bytesMax = telemetry.gauge("cairn_shard_bytes_max", {
      help: "Memory that the shard's training tables may take (embeddings.bytesMax).",
      labelNames,
    });
    this.#bytesMax.set(bytesMax, { shard: this.#shard });
    this.#load = telemetry.gauge("cairn_shard_load", {
      help: "Share of the cells of the training tables' indexes that is in use.",
      labelNames,
    });
    this.#buckets = telemetry.gauge("cairn_shard_index_buckets", {
      help: "Buckets of the training tables' indexes, by their number of entries (0 to 16).",
      labelNames: ["shard", "entries"],
    });
    this.#touched = telemetry.gauge("cairn_shard_touched", {
      help: "Changed rows and tombstones that no delta has carried yet.",
      labelNames,
    });
    this.#lookups = telemetry.counter("cairn_shard_lookups_total", {
      help: "Ids looked up for training.",
      labelNames,
    });
    this.#missing = telemetry.counter("cairn_shard_missing_total", {
      help: "Ids looked up for training that have no row.",
      labelNames,
    });
    this.#updates = telemetry.counter("cairn_shard_updates_total", {
      help: "Outcomes of updates: rows admitted, updated and evicted, ids filtered by admission, " +
        "updates rejected for lack of memory or because they were not finite.",
      labelNames: ["shard", "outcome"],
    });
    this.#gradientRows = telemetry.counter("cairn_shard_gradient_rows_total", {
      help: "Rows for which gradients arrived; a row counts once a batch.",
      labelNames,
    });
    this.#frozenMs = telemetry.histogram("cairn_shard_frozen_ms", {
      help:
        "Time from the freeze of a shard to the end of its move, ms; by outcome, moved or given up.",
      labelNames: ["outcome"],
      buckets: [2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000],
    });
    this.#before = restored;
    this.show(restored);
  }

  /** Shows the figures, if the interval is over: rates by their counters would have gaps else. */
  showDue(statistics: () => ClassTablesStatistics): void {
    if (this.#clock.monotonicMs() - this.#shownMs >= FIGURES_INTERVAL_MS) this.show(statistics());
  }

  /** Updates the gauges, and adds the work since the last call to the counters. */
  show(statistics: ClassTablesStatistics): void {
    this.#shownMs = this.#clock.monotonicMs();
    const shard = this.#shard;
    statistics.classes.forEach(({ rows, bytes }, number) => {
      const labels = { shard, class: String(number) };
      this.#rows.set(rows, labels);
      this.#bytes.set(bytes, labels);
    });
    this.#load.set(statistics.load, { shard });
    this.#touched.set(statistics.touched, { shard });
    this.#lookups.add(statistics.lookups - this.#before.lookups, { shard });
    this.#missing.add(statistics.missing - this.#before.missing, { shard });
    for (const outcome of OUTCOMES) {
      this.#updates.add(statistics[outcome] - this.#before[outcome], { shard, outcome });
    }
    this.#before = statistics;
  }

  /** Gradients of one message were applied to this number of rows. */
  gradientsApplied(rows: number): void {
    this.#gradientRows.add(rows, this.#labels);
  }

  /** A move has ended for which the shard was frozen at this time; undefined = it was not. */
  moveEnded(outcome: "moved" | "givenUp", frozenAtMs: number | undefined): void {
    if (frozenAtMs === undefined) return;
    this.#frozenMs.record(this.#clock.monotonicMs() - frozenAtMs, { outcome });
  }

  /**
   * Updates the gauges of the buckets, if the interval is over.
   *
   * @param entriesPerBucket Counts the buckets with 0, 1, … 10 entries.
   */
  showBuckets(entriesPerBucket: () => Float64Array): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#bucketsShownMs < BUCKETS_INTERVAL_MS) return;
    this.#bucketsShownMs = nowMs;
    entriesPerBucket().forEach((buckets, entries) => {
      this.#buckets.set(buckets, { shard: this.#shard, entries: String(entries) });
    });
  }
}

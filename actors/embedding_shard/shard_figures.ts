/**
 * What operators see of a shard's tables: rows and memory by class of rows, how full the indexes are, what waits for the
 * replicas, how many ids were looked up in vain, and what became of updates, above all those refused or evicted for want
 * of memory.
 */
import type { ClassTablesStatistics } from "../../kernels/embedding/class_tables.ts";
import type { Counter, Gauge, Telemetry } from "../../mesh/ports/telemetry.ts";

/** What becomes of ids and rows, as the tables count it. */
const OUTCOMES = ["admitted", "filtered", "updated", "evicted", "rejected"] as const;

export class ShardFigures {
  readonly #shard: string;
  readonly #rows: Gauge;
  readonly #bytes: Gauge;
  readonly #load: Gauge;
  readonly #buckets: Gauge;
  readonly #touched: Gauge;
  readonly #lookups: Counter;
  readonly #missing: Counter;
  readonly #updates: Counter;
  #before: ClassTablesStatistics;

  /** @param restored What the tables begin with: rows of a snapshot are no updates. */
  constructor(telemetry: Telemetry, shard: number, restored: ClassTablesStatistics) {
    this.#shard = String(shard);
    this.#rows = telemetry.gauge("cairn_shard_rows", {
      help: "Rows in the training tables, by class: slots of the same widths and optimizers.",
      labelNames: ["shard", "class"],
    });
    this.#bytes = telemetry.gauge("cairn_shard_bytes", {
      help: "Memory of the training tables, by class of rows.",
      labelNames: ["shard", "class"],
    });
    const labelNames = ["shard"];
    this.#load = telemetry.gauge("cairn_shard_load", {
      help: "Share of the slots of the training tables' indexes that is taken.",
      labelNames,
    });
    this.#buckets = telemetry.gauge("cairn_shard_index_buckets", {
      help: "Buckets of the training tables' indexes by the entries that they hold, 0 to 16.",
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
      help:
        "What became of updates: rows admitted, updated and evicted, ids filtered by admission, " +
        "updates rejected for want of memory or because they were not finite.",
      labelNames: ["shard", "outcome"],
    });
    this.#before = restored;
    this.show(restored);
  }

  /** Shows what the tables hold and have done since the last call. */
  show(statistics: ClassTablesStatistics): void {
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

  /** Shows how many buckets hold 0, 1, … 16 entries. */
  showBuckets(entriesPerBucket: Float64Array): void {
    entriesPerBucket.forEach((buckets, entries) => {
      this.#buckets.set(buckets, { shard: this.#shard, entries: String(entries) });
    });
  }
}

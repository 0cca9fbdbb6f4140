/**
 * The figures of parameter sync: changes carried, rounds and freshness, as metrics and as totals
 * for its status.
 */
import type { Counter, Gauge, Histogram, Telemetry } from "../../mesh/ports/telemetry.ts";
import type { SyncStatus } from "./protocol.ts";
import type { ShardRound } from "./shard_sync.ts";

type Totals = Omit<SyncStatus, "learnedThroughMs" | "sequences">;

export class SyncFigures {
  readonly #rowsSent: Counter;
  readonly #bytesSent: Counter;
  readonly #gapsFound: Counter;
  readonly #roundMs: Histogram;
  readonly #freshness: Histogram;
  readonly #denseServed: Gauge;
  #totals: Totals = { deltas: 0, rows: 0, bytes: 0, gaps: 0, denseVersion: 0, roundsComplete: 0 };

  constructor(telemetry: Telemetry) {
    this.#rowsSent = telemetry.counter("cairn_sync_rows_total", {
      help: "Changed rows carried to serving replicas.",
    });
    this.#bytesSent = telemetry.counter("cairn_sync_bytes_total", {
      help: "Bytes of changed rows and tombstones.",
    });
    this.#gapsFound = telemetry.counter("cairn_sync_gaps_total", {
      help: "Replicas that had missed a delta and were filled with all rows.",
    });
    this.#roundMs = telemetry.histogram("cairn_sync_round_ms", {
      help: "Duration of one round of rows over all shards, ms.",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000],
    });
    this.#freshness = telemetry.histogram("cairn_sync_freshness_seconds", {
      help: "Age of the newest learned event when the scores begin to reflect it, seconds.",
      buckets: [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300],
    });
    this.#denseServed = telemetry.gauge("cairn_sync_dense_version", {
      help: "Version of the dense weights that the scorers serve.",
    });
  }

  /** Totals since the start. */
  get totals(): Totals {
    return this.#totals;
  }

  /** Counts the changes that a round of one shard has carried. */
  count({ deltas, rows, bytes, gaps }: ShardRound): void {
    const totals = this.#totals;
    this.#totals = {
      ...totals,
      deltas: totals.deltas + deltas,
      rows: totals.rows + rows,
      bytes: totals.bytes + bytes,
      gaps: totals.gaps + gaps,
    };
    this.#rowsSent.add(rows);
    this.#bytesSent.add(bytes);
    this.#gapsFound.add(gaps);
  }

  /** @param isComplete Whether all replicas have all changes before the round. */
  roundEnded(tookMs: number, isComplete: boolean): void {
    this.#roundMs.record(tookMs);
    if (!isComplete) return;
    this.#totals = { ...this.#totals, roundsComplete: this.#totals.roundsComplete + 1 };
  }

  /** All serving hosts have reached a mark of this age. */
  served(ageMs: number): void {
    this.#freshness.record(ageMs / 1000);
  }

  /** The scorers have these dense weights. */
  denseServed(version: number): void {
    this.#totals = { ...this.#totals, denseVersion: version };
    this.#denseServed.set(version);
  }
}

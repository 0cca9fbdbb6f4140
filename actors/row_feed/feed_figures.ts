/**
 * The figures of a row feed: changes carried, rounds and freshness, as metrics and as totals for
 * its status.
 */
import type { Clock } from "../../mesh/ports/clock.ts";
import type { Counter, Histogram, Telemetry } from "../../mesh/ports/telemetry.ts";
import type { RowFeedStatus } from "./protocol.ts";
import type { FeedStep } from "./replica_feed.ts";

type Totals = Omit<RowFeedStatus, "learnedThroughMs" | "sequences">;

export class FeedFigures {
  readonly #clock: Clock;
  readonly #replicas: number;
  readonly #rowsSent: Counter;
  readonly #bytesSent: Counter;
  readonly #gapsFound: Counter;
  readonly #roundMs: Histogram;
  readonly #freshness: Histogram;
  #totals: Totals;
  /** Replicas that had all rows of a moment in this round. */
  readonly #complete = new Set<number>();
  #roundBeganMs: number;

  constructor({ clock, telemetry }: { clock: Clock; telemetry: Telemetry }, replicas: number) {
    this.#clock = clock;
    this.#replicas = replicas;
    const roundsComplete = replicas === 0 ? Infinity : 0;
    this.#totals = { deltas: 0, rows: 0, bytes: 0, gaps: 0, roundsComplete };
    this.#roundBeganMs = clock.monotonicMs();
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
      help: "Time in which all replicas of a serving host got all rows once more, ms.",
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000],
    });
    this.#freshness = telemetry.histogram("cairn_sync_freshness_seconds", {
      help: "Age of the newest learned event when the scores begin to reflect it, seconds.",
      buckets: [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300],
    });
  }

  /** Totals since the start. */
  get totals(): Totals {
    return this.#totals;
  }

  /** Counts the changes that a step of a replica has carried. */
  count(replica: number, { deltas, rows, bytes, gaps, isComplete }: FeedStep): void {
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
    if (isComplete) this.#completed(replica);
  }

  /** The scorer has a mark of this age. */
  served(ageMs: number): void {
    this.#freshness.record(ageMs / 1000);
  }

  #completed(replica: number): void {
    this.#complete.add(replica);
    if (this.#complete.size < this.#replicas) return;
    this.#complete.clear();
    this.#totals = { ...this.#totals, roundsComplete: this.#totals.roundsComplete + 1 };
    const nowMs = this.#clock.monotonicMs();
    this.#roundMs.record(nowMs - this.#roundBeganMs);
    this.#roundBeganMs = nowMs;
  }
}

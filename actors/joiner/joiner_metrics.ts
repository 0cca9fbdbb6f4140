/**
 * The joiner's metrics: outcomes as counters, held impressions as gauges.
 */
import type { Counter, Gauge, Telemetry } from "../../mesh/ports/telemetry.ts";
import type { JoinWindow } from "./join_window.ts";
import type { JoinCounts } from "./row_examples.ts";

export class JoinerMetrics {
  readonly #outcomes: Counter;
  readonly #open: Gauge;
  readonly #heldBytes: Gauge;
  readonly #labels: { readonly joiner: string };
  #reported: JoinCounts;

  /**
   * @param counts The window's counts, from which on outcomes are reported.
   * @param partition The joiner's partition.
   */
  constructor(telemetry: Telemetry, counts: JoinCounts, partition: number) {
    this.#labels = { joiner: String(partition) };
    this.#reported = { ...counts };
    this.#outcomes = telemetry.counter("cairn_joiner_outcomes_total", {
      help: "Impressions, actions and examples by what the joiner did with them.",
      labelNames: ["outcome"],
    });
    // The alert on it needs the number before the first loss.
    this.#outcomes.add(0, { outcome: "actionsMissed" });
    this.#open = telemetry.gauge("cairn_joiner_impressions_open", {
      help: "Impressions that wait for actions.",
      labelNames: ["joiner"],
    });
    this.#heldBytes = telemetry.gauge("cairn_joiner_impressions_bytes", {
      help: "Memory held for impressions that wait for actions, and for the actions on them.",
      labelNames: ["joiner"],
    });
  }

  /** A record could not be decoded. */
  addInvalid(): void {
    this.#outcomes.add(1, { outcome: "recordsInvalid" });
  }

  /** Reports the outcomes since the last report, and the held impressions. */
  report({ counts, impressionsOpen, memoryBytes }: JoinWindow): void {
    for (const outcome of Object.keys(counts) as (keyof JoinCounts)[]) {
      const more = counts[outcome] - this.#reported[outcome];
      if (more > 0) this.#outcomes.add(more, { outcome });
    }
    this.#reported = { ...counts };
    this.#open.set(impressionsOpen, this.#labels);
    this.#heldBytes.set(memoryBytes, this.#labels);
  }
}

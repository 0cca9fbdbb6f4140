/**
 * The state behind the console page: charts of the last hour, sampled while the server runs, and
 * the newest requests. Viewers get the history first, then each sample.
 */
import type { Clock, Timer } from "../../mesh/ports/clock.ts";
import type { Telemetry } from "../../mesh/ports/telemetry.ts";
import { Activity } from "./activity.ts";
import { ChartHistory, type ChartSample } from "./chart_history.ts";
import { charts } from "./charts.ts";
import { type MetricFamily, MetricInterval, MetricReading } from "./metric_reading.ts";
import { type PartsSeen, partsSeen } from "./parts_seen.ts";

/** Time between two samples, ms. */
export const SAMPLE_MS = 5_000;
/** Samples of an hour. */
const SAMPLES_KEPT = 720;
/** Viewers at a time; each of them gets every sample. */
export const VIEWERS_MAX = 32;

/** A sample with the state of the parts at that time. */
export interface ConsoleSample extends ChartSample {
  readonly parts: PartsSeen;
}

/** Takes each sample from the subscription on; `ended` is called when the server stops. */
export interface Viewer {
  sample(sample: ConsoleSample): void;
  ended(): void;
}

export interface ConsoleParts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** The values of all metrics of the mesh now. */
  readonly metricValues: () => Promise<readonly MetricFamily[]>;
}

export class Console {
  readonly activity: Activity;
  readonly history = new ChartHistory(charts, SAMPLES_KEPT);
  readonly #parts: ConsoleParts;
  readonly #viewers = new Set<Viewer>();
  #reading: MetricReading | undefined;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: ConsoleParts) {
    this.#parts = parts;
    this.activity = new Activity(parts.clock);
  }

  /** Begins to sample. */
  start(): void {
    this.#timer = this.#parts.clock.schedule(SAMPLE_MS, () => void this.#sample());
  }

  /** Ends sampling and all views. Idempotent. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const viewer of this.#viewers) viewer.ended();
    this.#viewers.clear();
  }

  /**
   * @returns Ends the subscription; undefined where as many viewers as possible are watching, or
   * the server stops.
   */
  subscribe(viewer: Viewer): (() => void) | undefined {
    if (this.#stopped || this.#viewers.size >= VIEWERS_MAX) return undefined;
    this.#viewers.add(viewer);
    return () => void this.#viewers.delete(viewer);
  }

  async #sample(): Promise<void> {
    const { clock, telemetry, metricValues } = this.#parts;
    try {
      const now = new MetricReading(await metricValues(), clock.monotonicMs());
      const before = this.#reading;
      this.#reading = now;
      if (before !== undefined) this.#add(new MetricInterval(before, now));
    } catch (cause) {
      // A thread that restarts does not answer; the next sample asks again.
      telemetry.log("debug", "the console took no sample", { cause });
    }
    if (!this.#stopped) this.start();
  }

  #add(interval: MetricInterval): void {
    const sample = {
      ...this.history.add(this.#parts.clock.nowMs(), interval),
      parts: partsSeen(interval),
    };
    for (const viewer of this.#viewers) viewer.sample(sample);
  }
}

/**
 * The Telemetry port on prom-client. Each thread has its own; {@link renderMetrics} merges
 * snapshots of all threads, which are plain data, into the page that Prometheus reads.
 */
import type { MetricObjectWithValues, MetricValue } from "prom-client";
import type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  InstrumentOptions,
  LogLevel,
  Telemetry,
} from "../../ports/telemetry.ts";
import { GaugeWatches } from "../../runtime/gauge_watches.ts";
import { logLevels, type LogLine } from "./log_lines.ts";
import {
  aggregated,
  Counter as PromCounter,
  Gauge as PromGauge,
  Histogram as PromHistogram,
  Registry,
} from "./prom_client.ts";

/** All values of one thread's instruments: structured-cloneable. */
export type MetricsSnapshot = MetricObjectWithValues<MetricValue<string>>[];

export interface PrometheusTelemetryOptions {
  /** Lines below this level are dropped. */
  readonly logLevelMin: LogLevel;
  /** Takes each log line; see log_lines.ts for its text forms. */
  readonly writeLog: (line: LogLine) => void;
}

/** An instrument already made, by name: many actors of a thread share it. */
interface Made {
  readonly instrument: Counter | Gauge | Histogram;
  readonly shape: string;
}

export class PrometheusTelemetry implements Telemetry {
  /** For instruments of the process itself, see process_metrics.ts. */
  readonly registry = new Registry();
  readonly #made = new Map<string, Made>();
  readonly #logRankMin: number;
  readonly #writeLog: (line: LogLine) => void;

  constructor(options: PrometheusTelemetryOptions) {
    this.#logRankMin = logLevels.indexOf(options.logLevelMin);
    this.#writeLog = options.writeLog;
  }

  counter(name: string, options: InstrumentOptions): Counter {
    return this.#once(name, shapeOf("counter", options), () => {
      const counter = new PromCounter(this.#configuration(name, options));
      return {
        add: (amount, labels) => labels ? counter.inc({ ...labels }, amount) : counter.inc(amount),
      };
    });
  }

  gauge(name: string, options: InstrumentOptions): Gauge {
    return this.#once(name, shapeOf("gauge", options), () => {
      const watches = new GaugeWatches();
      const gauge = new PromGauge({
        ...this.#configuration(name, options),
        collect: () => {
          for (const { labels, value } of watches.read()) {
            if (value === undefined) gauge.remove({ ...labels });
            else gauge.set({ ...labels }, value);
          }
        },
      });
      return {
        set: (value, labels) => labels ? gauge.set({ ...labels }, value) : gauge.set(value),
        watch: (read, labels = {}) => {
          const end = watches.add(read, labels);
          return () => {
            if (end()) gauge.remove({ ...labels });
          };
        },
      };
    });
  }

  histogram(name: string, options: HistogramOptions): Histogram {
    const shape = shapeOf(`histogram with buckets ${options.buckets.join(" ")}`, options);
    return this.#once(name, shape, () => {
      const histogram = new PromHistogram({
        ...this.#configuration(name, options),
        buckets: [...options.buckets],
      });
      return {
        record: (value, labels) =>
          labels ? histogram.observe({ ...labels }, value) : histogram.observe(value),
      };
    });
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (logLevels.indexOf(level) < this.#logRankMin) return;
    this.#writeLog({ level, message, fields });
  }

  /** The instruments' values now, to be merged with those of other threads. */
  snapshot(): Promise<MetricsSnapshot> {
    return this.registry.getMetricsAsJSON();
  }

  #configuration(name: string, { help, labelNames = [] }: InstrumentOptions) {
    return { name, help, labelNames: [...labelNames], registers: [this.registry] };
  }

  /** The instrument of this name. Restarted actors and several shards share one instrument. */
  #once<I extends Counter | Gauge | Histogram>(name: string, shape: string, make: () => I): I {
    const made = this.#made.get(name);
    if (made === undefined) {
      const instrument = make();
      this.#made.set(name, { instrument, shape });
      return instrument;
    }
    if (made.shape !== shape) {
      throw new TypeError(
        `Cannot make the instrument ${name} as a ${shape}: it was made as a ${made.shape}. Rename one of them.`,
      );
    }
    return made.instrument as I;
  }
}

/**
 * Merges the threads' snapshots: values of the same name and labels are added. That includes
 * gauges; labels (shard, partition) separate values that must not be added.
 *
 * @returns Prometheus' text format, version 0.0.4.
 */
export async function renderMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return await (await aggregated(snapshots)).metrics();
}

/** Merges the threads' snapshots as {@link renderMetrics} does, into values. */
export async function mergeMetrics(
  snapshots: readonly MetricsSnapshot[],
): Promise<MetricsSnapshot> {
  return await (await aggregated(snapshots)).getMetricsAsJSON();
}

function shapeOf(kind: string, { labelNames = [] }: InstrumentOptions): string {
  return labelNames.length === 0 ? kind : `${kind} by ${labelNames.join(", ")}`;
}

/**
 * What the mesh says about itself: counters, gauges, histograms and log lines.
 *
 * Instruments are made once (at actor creation) and are cheap to call. Names follow Prometheus:
 * snake_case, a unit suffix, `_total` for counters.
 */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(amount: number, labels?: Labels): void;
}

export interface Gauge {
  set(value: number, labels?: Labels): void;
}

export interface Histogram {
  record(value: number, labels?: Labels): void;
}

export interface InstrumentOptions {
  readonly help: string;
  readonly labelNames?: readonly string[];
}

export interface HistogramOptions extends InstrumentOptions {
  /** Upper bounds, ascending, in the unit of the name's suffix. */
  readonly buckets: readonly number[];
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Telemetry {
  counter(name: string, options: InstrumentOptions): Counter;
  gauge(name: string, options: InstrumentOptions): Gauge;
  histogram(name: string, options: HistogramOptions): Histogram;
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

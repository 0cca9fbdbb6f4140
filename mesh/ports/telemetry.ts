/**
 * What the mesh says about itself: counters, gauges, histograms and log lines.
 *
 * Instruments are made once (at actor creation) and are cheap to call. Names follow Prometheus:
 * snake_case, a unit suffix, `_total` for counters.
 */
export type Labels = Readonly<Record<string, string>>;

/** Only grows. */
export interface Counter {
  /** Adds `amount`, ≥ 0. */
  add(amount: number, labels?: Labels): void;
}

/** Goes up and down. */
export interface Gauge {
  /** The value from now on. */
  set(value: number, labels?: Labels): void;
}

/** Counts values by size. */
export interface Histogram {
  /** Counts one value. */
  record(value: number, labels?: Labels): void;
}

/** What an instrument says about itself. */
export interface InstrumentOptions {
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** The same, and where its buckets end. */
export interface HistogramOptions extends InstrumentOptions {
  /** Upper bounds, ascending, in the unit of the name's suffix. */
  readonly buckets: readonly number[];
}

/** From the least to the most urgent. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Makes instruments and takes log lines. */
export interface Telemetry {
  /** The counter of this name; the same one for the same name. */
  counter(name: string, options: InstrumentOptions): Counter;
  /** The gauge of this name. */
  gauge(name: string, options: InstrumentOptions): Gauge;
  /** The histogram of this name. */
  histogram(name: string, options: HistogramOptions): Histogram;
  /** One line with its fields. */
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * Metrics and log lines of the mesh.
 *
 * Instruments are made once (at actor creation) and are cheap to call. Names follow Prometheus:
 * snake_case, a unit suffix, `_total` for counters.
 */

/** Label values by name. */
export type Labels = Readonly<Record<string, string>>;

/** A value that only grows. */
export interface Counter {
  /** Adds `amount`, ≥ 0. */
  add(amount: number, labels?: Labels): void;
}

/** A value that goes up and down. */
export interface Gauge {
  /** Sets the value. */
  set(value: number, labels?: Labels): void;
  /**
   * Has the value read whenever the instruments are; there is none while `read` gives undefined.
   * Values by the same labels are added, as those of several threads are.
   *
   * @returns Ends that.
   */
  watch(read: () => number | undefined, labels?: Labels): () => void;
}

/** Counts of values by size. */
export interface Histogram {
  /** Counts one value. */
  record(value: number, labels?: Labels): void;
}

/** The description of an instrument. */
export interface InstrumentOptions {
  readonly help: string;
  readonly labelNames?: readonly string[];
}

/** The description of a histogram. */
export interface HistogramOptions extends InstrumentOptions {
  /** Upper bounds, ascending, in the unit of the name's suffix. */
  readonly buckets: readonly number[];
}

/** Levels of log lines, from the least to the most urgent. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Makes instruments and writes log lines. */
export interface Telemetry {
  /** The counter of this name; the same name gives the same counter. */
  counter(name: string, options: InstrumentOptions): Counter;
  /** The gauge of this name. */
  gauge(name: string, options: InstrumentOptions): Gauge;
  /** The histogram of this name. */
  histogram(name: string, options: HistogramOptions): Histogram;
  /** Writes a log line with its fields. */
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

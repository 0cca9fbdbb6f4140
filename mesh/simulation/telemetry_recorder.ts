/**
 * Telemetry that keeps its values, samples and log lines for tests and checkers to read.
 */
import type { Counter, Gauge, Histogram, Labels, LogLevel, Telemetry } from "../ports/telemetry.ts";
import { GaugeWatches } from "../runtime/gauge_watches.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TelemetryRecorderOptions {
  /** Log lines held: the newest, at least half of this number. Default: all. */
  readonly linesMax?: number;
  /** Samples held of each histogram: the newest, at least half of this number. Default: all. */
  readonly samplesMax?: number;
}

export class TelemetryRecorder implements Telemetry {
  readonly #linesMax: number;
  readonly #samplesMax: number;
  readonly lines: LogLine[] = [];
  readonly #values = new Map<string, number>();
  /** By name. */
  readonly #watches = new Map<string, GaugeWatches>();
  readonly #samples = new Map<string, number[]>();

  constructor(options: TelemetryRecorderOptions = {}) {
    this.#linesMax = options.linesMax ?? Infinity;
    this.#samplesMax = options.samplesMax ?? Infinity;
  }

  counter(name: string): Counter {
    return {
      add: (amount, labels) => {
        const key = keyOf(name, labels);
        this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
      },
    };
  }

  gauge(name: string): Gauge {
    return {
      set: (value, labels) => void this.#values.set(keyOf(name, labels), value),
      watch: (read, labels) => {
        const watches = this.#watches.get(name) ?? new GaugeWatches();
        this.#watches.set(name, watches);
        return watches.add(read, labels);
      },
    };
  }

  histogram(name: string): Histogram {
    return {
      record: (value, labels) => {
        const key = keyOf(name, labels);
        const samples = this.#samples.get(key);
        if (samples) pushBounded(samples, value, this.#samplesMax);
        else this.#samples.set(key, [value]);
      },
    };
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    pushBounded(this.lines, { level, message, fields }, this.#linesMax);
  }

  /** A counter's sum or a gauge's last value; 0 where nothing was recorded. */
  value(name: string, labels?: Labels): number {
    return this.watched(name, labels) ?? this.#values.get(keyOf(name, labels)) ?? 0;
  }

  /** The present value of a gauge's watches; undefined without one. */
  watched(name: string, labels?: Labels): number | undefined {
    return this.#watches.get(name)?.valueOf(labels);
  }

  /** A histogram's samples, in order. */
  samples(name: string, labels?: Labels): readonly number[] {
    return this.#samples.get(keyOf(name, labels)) ?? [];
  }
}

/** Appends; when there are more than `max`, the older half goes. */
function pushBounded<T>(list: T[], entry: T, max: number): void {
  list.push(entry);
  if (list.length > max) list.splice(0, Math.ceil(list.length / 2));
}

function keyOf(name: string, labels: Labels = {}): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1);
  return `${name}{${pairs.map(([key, value]) => `${key}=${value}`).join(",")}}`;
}

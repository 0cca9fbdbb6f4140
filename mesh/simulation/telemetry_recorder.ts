/**
 * Keeps what was recorded, so that a test can ask for it.
 */
import type { Counter, Gauge, Histogram, Labels, LogLevel, Telemetry } from "../ports/telemetry.ts";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class TelemetryRecorder implements Telemetry {
  readonly lines: LogLine[] = [];
  readonly #values = new Map<string, number>();
  readonly #samples = new Map<string, number[]>();

  counter(name: string): Counter {
    return {
      add: (amount, labels) => {
        const key = keyOf(name, labels);
        this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
      },
    };
  }

  gauge(name: string): Gauge {
    return { set: (value, labels) => void this.#values.set(keyOf(name, labels), value) };
  }

  histogram(name: string): Histogram {
    return {
      record: (value, labels) => {
        const key = keyOf(name, labels);
        const samples = this.#samples.get(key);
        if (samples) samples.push(value);
        else this.#samples.set(key, [value]);
      },
    };
  }

  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.lines.push({ level, message, fields });
  }

  /** A counter's sum or a gauge's last value; 0 where nothing was recorded. */
  value(name: string, labels?: Labels): number {
    return this.#values.get(keyOf(name, labels)) ?? 0;
  }

  /** What a histogram was given, in order. */
  samples(name: string, labels?: Labels): readonly number[] {
    return this.#samples.get(keyOf(name, labels)) ?? [];
  }
}

function keyOf(name: string, labels: Labels = {}): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1);
  return `${name}{${pairs.map(([key, value]) => `${key}=${value}`).join(",")}}`;
}

/**
 * Counts the telemetry of a run: sums of counters, and log lines by their text and `reason`, in
 * bounded memory. Probes read them to tell which rare paths a run has taken.
 */
import type {
  Counter,
  Gauge,
  Histogram,
  Labels,
  LogLevel,
  Telemetry,
} from "../../mesh/ports/telemetry.ts";

/** Texts with their numbers taken out, so that lines of one kind count together. */
const LINES_MAX = 4_096;

/** The telemetry of all nodes of a world. */
export class WorldTelemetry implements Telemetry {
  readonly #values = new Map<string, number>();
  readonly #lines = new Map<string, number>();
  /** Called with each log line and its reason, "" where it has none. */
  onLine: (level: LogLevel, message: string, reason: string) => void = () => {};

  counter(name: string): Counter {
    return {
      add: (amount, labels) => {
        if (amount === 0) return;
        const key = labels === undefined ? name : keyOf(name, labels);
        this.#values.set(key, (this.#values.get(key) ?? 0) + amount);
      },
    };
  }

  gauge(name: string): Gauge {
    return {
      set: (value, labels) => void this.#values.set(keyOf(name, labels), value),
      watch: () => () => {},
    };
  }

  histogram(): Histogram {
    return { record: () => {} };
  }

  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void {
    const reason = typeof fields?.reason === "string" ? fields.reason : "";
    this.onLine(level, message, reason);
    const text = reason === "" ? message : `${message}: ${reason}`;
    const kind = text.replaceAll(/[0-9]+/g, "#");
    if (this.#lines.has(kind) || this.#lines.size < LINES_MAX) {
      this.#lines.set(kind, (this.#lines.get(kind) ?? 0) + 1);
    }
  }

  /** A counter's sum over all nodes and incarnations; 0 where it never counted. */
  sum(name: string, labels?: Labels): number {
    return this.#values.get(keyOf(name, labels)) ?? 0;
  }

  /** Log lines whose text, with `#` for each number, matches. */
  lines(pattern: RegExp): number {
    let count = 0;
    for (const [text, times] of this.#lines) if (pattern.test(text)) count += times;
    return count;
  }
}

function keyOf(name: string, labels: Labels = {}): string {
  const names = Object.keys(labels);
  if (names.length === 0) return name;
  if (names.length === 1) return `${name}{${names[0]}=${labels[names[0]]}}`;
  const pairs = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1);
  return `${name}{${pairs.map((pair) => pair.join("=")).join(",")}}`;
}

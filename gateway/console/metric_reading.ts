/**
 * The values of all metrics at one moment, and how a chart asks for them.
 */

/** The values of one metric: plain data, in the form that prom-client gives. */
export interface MetricFamily {
  readonly name: string;
  readonly values: readonly MetricValue[];
}

export interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  /** The series of a histogram: its name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

/** Labels that a value must have, each with the values that match. */
export type LabelMatch = Readonly<Record<string, readonly string[]>>;

export class MetricReading {
  readonly #series = new Map<string, MetricValue[]>();

  /** @param atMs Monotonic time of the reading, ms. */
  constructor(families: readonly MetricFamily[], readonly atMs: number) {
    for (const { name, values } of families) {
      for (const value of values) {
        const series = value.metricName ?? name;
        const list = this.#series.get(series);
        if (list === undefined) this.#series.set(series, [value]);
        else list.push(value);
      }
    }
  }

  /** The sum of the metric's values that match; 0 where there are none. */
  sum(name: string, match: LabelMatch = {}): number {
    let sum = 0;
    for (const { value, labels } of this.#values(name)) if (matches(labels, match)) sum += value;
    return sum;
  }

  /** Sums of the values that match, by the value of one label, in the order of the metric. */
  by(label: string, name: string, match: LabelMatch = {}): Map<string, number> {
    const sums = new Map<string, number>();
    for (const { value, labels } of this.#values(name)) {
      const key = labels[label];
      if (key === undefined || !matches(labels, match)) continue;
      sums.set(String(key), (sums.get(String(key)) ?? 0) + value);
    }
    return sums;
  }

  /** Counts of a histogram up to each upper bound, ascending; the last bound is infinite. */
  buckets(name: string, match: LabelMatch = {}): [bound: number, count: number][] {
    const counts = new Map<number, number>();
    for (const { value, labels } of this.#values(`${name}_bucket`)) {
      if (!matches(labels, match)) continue;
      const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
      counts.set(bound, (counts.get(bound) ?? 0) + value);
    }
    return [...counts].sort(([a], [b]) => a - b);
  }

  #values(name: string): readonly MetricValue[] {
    return this.#series.get(name) ?? [];
  }
}

/** Two readings, of which the differences of counters are rates. */
export class MetricInterval {
  readonly #seconds: number;

  /** @param now The later reading. */
  constructor(readonly before: MetricReading, readonly now: MetricReading) {
    this.#seconds = Math.max(now.atMs - before.atMs, 1) / 1000;
  }

  /** Growth of a counter, a second. A counter that went back began anew and counts from 0. */
  rate(name: string, match?: LabelMatch): number {
    return growth(this.before.sum(name, match), this.now.sum(name, match)) / this.#seconds;
  }

  /** Rates by the value of one label. */
  rates(label: string, name: string, match?: LabelMatch): Map<string, number> {
    const before = this.before.by(label, name, match);
    return new Map(
      [...this.now.by(label, name, match)].map(([key, value]) => [
        key,
        growth(before.get(key) ?? 0, value) / this.#seconds,
      ]),
    );
  }

  /**
   * The quantile of the values that a histogram recorded between the readings, interpolated within
   * its bucket as Prometheus does; undefined where it recorded none.
   */
  quantile(q: number, name: string, match?: LabelMatch): number | undefined {
    const before = new Map(this.before.buckets(name, match));
    const counts = this.now.buckets(name, match)
      .map(([bound, count]) => [bound, growth(before.get(bound) ?? 0, count)] as const);
    const total = counts.at(-1)?.[1] ?? 0;
    if (total <= 0) return undefined;
    let [below, lower] = [0, 0];
    for (const [bound, count] of counts) {
      if (count >= q * total) {
        if (bound === Infinity) return lower;
        return lower + (bound - lower) * (q * total - below) / (count - below);
      }
      [below, lower] = [count, bound];
    }
    return lower;
  }
}

function growth(before: number, now: number): number {
  return now >= before ? now - before : now;
}

function matches(labels: MetricValue["labels"], match: LabelMatch): boolean {
  for (const name in match) if (!match[name].includes(String(labels[name]))) return false;
  return true;
}

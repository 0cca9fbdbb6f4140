/**
 * The values of all metrics of all hosts at one moment, and how a chart asks for them.
 */
import { present } from "../../structures/invariant.ts";

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

/** The metrics of one process. */
export interface HostMetrics {
  readonly host: string;
  readonly families: readonly MetricFamily[];
}

/**
 * Labels that a value must have, each with the values that match. `host` is the process that the
 * value comes from.
 */
export type LabelMatch = Readonly<Record<string, readonly string[]>>;

interface HostValue {
  readonly host: string;
  readonly value: number;
  readonly labels: MetricValue["labels"];
}

export class MetricReading {
  readonly #series = new Map<string, HostValue[]>();
  readonly #hosts: ReadonlySet<string>;
  /** Values by the identity of their series, made when a rate first asks. */
  readonly #identified = new Map<string, ReadonlyMap<string, number>>();

  /** @param atMs Monotonic time of the reading, ms. */
  constructor(hosts: readonly HostMetrics[], readonly atMs: number) {
    this.#hosts = new Set(hosts.map(({ host }) => host));
    for (const { host, families } of hosts) {
      for (const { name, values } of families) {
        for (const { value, labels, metricName } of values) {
          const series = metricName ?? name;
          const list = this.#series.get(series);
          const entry = { host, value, labels };
          if (list === undefined) this.#series.set(series, [entry]);
          else list.push(entry);
        }
      }
    }
  }

  /** The sum of the metric's values that match; 0 where there are none. */
  sum(name: string, match: LabelMatch = {}): number {
    let sum = 0;
    for (const value of this.#values(name)) if (matches(value, match)) sum += value.value;
    return sum;
  }

  /** Sums of the values that match, by the value of one label, in the order of the metric. */
  by(label: string, name: string, match: LabelMatch = {}): Map<string, number> {
    return this.#combine(label, name, match, (sum, value) => sum + value);
  }

  /** The smallest of the values that match, by the value of one label. */
  leastBy(label: string, name: string): Map<string, number> {
    return this.#combine(label, name, {}, Math.min);
  }

  /** The mean of the values that match, by the value of one label. */
  meanBy(label: string, name: string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const value of this.#values(name)) {
      const key = labelOf(value, label);
      if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return new Map(
      [...this.by(label, name)].map(([key, sum]) => [
        key,
        sum / present(counts.get(key), "a value that was added was counted"),
      ]),
    );
  }

  /**
   * Growth of a counter since another reading, series by series as Prometheus counts it. A series
   * that went back began anew and counts from 0; one of a host that the other reading did not have
   * does not count.
   */
  growthSince(
    before: MetricReading,
    name: string,
    match: LabelMatch,
    keyOf: (value: HostValue) => string | undefined,
  ): Map<string, number> {
    const grown = new Map<string, number>();
    const earlier = before.#identify(name);
    for (const value of this.#values(name)) {
      if (!before.#hosts.has(value.host) || !matches(value, match)) continue;
      const key = keyOf(value);
      if (key === undefined) continue;
      const last = earlier.get(identityOf(value)) ?? 0;
      const growth = value.value >= last ? value.value - last : value.value;
      grown.set(key, (grown.get(key) ?? 0) + growth);
    }
    return grown;
  }

  #combine(
    label: string,
    name: string,
    match: LabelMatch,
    combine: (a: number, b: number) => number,
  ): Map<string, number> {
    const results = new Map<string, number>();
    for (const value of this.#values(name)) {
      const key = labelOf(value, label);
      if (key === undefined || !matches(value, match)) continue;
      const before = results.get(key);
      results.set(key, before === undefined ? value.value : combine(before, value.value));
    }
    return results;
  }

  #values(name: string): readonly HostValue[] {
    return this.#series.get(name) ?? [];
  }

  #identify(name: string): ReadonlyMap<string, number> {
    let identified = this.#identified.get(name);
    if (identified === undefined) {
      identified = new Map(this.#values(name).map((each) => [identityOf(each), each.value]));
      this.#identified.set(name, identified);
    }
    return identified;
  }
}

/** Two readings, of which the differences of counters are rates. */
export class MetricInterval {
  readonly #seconds: number;

  /** @param now The later reading. */
  constructor(readonly before: MetricReading, readonly now: MetricReading) {
    this.#seconds = Math.max(now.atMs - before.atMs, 1) / 1000;
  }

  /** Growth of a counter, a second. */
  rate(name: string, match: LabelMatch = {}): number {
    const grown = this.now.growthSince(this.before, name, match, () => "");
    return (grown.get("") ?? 0) / this.#seconds;
  }

  /** Rates by the value of one label. */
  rates(label: string, name: string, match: LabelMatch = {}): Map<string, number> {
    const grown = this.now.growthSince(
      this.before,
      name,
      match,
      (value) => labelOf(value, label),
    );
    return new Map([...grown].map(([key, growth]) => [key, growth / this.#seconds]));
  }

  /**
   * The quantile of the values that a histogram recorded between the readings, interpolated within
   * its bucket as Prometheus does; undefined where it recorded none.
   */
  quantile(q: number, name: string, match: LabelMatch = {}): number | undefined {
    const grown = this.now.growthSince(
      this.before,
      `${name}_bucket`,
      match,
      ({ labels: { le } }) => le === undefined ? undefined : String(le),
    );
    const counts = [...grown]
      .map(([le, count]) => [le === "+Inf" ? Infinity : Number(le), count] as const)
      .sort(([a], [b]) => a - b);
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

function labelOf({ host, labels }: HostValue, label: string): string | undefined {
  const value = label === "host" ? host : labels[label];
  return value === undefined ? undefined : String(value);
}

function identityOf({ host, labels }: HostValue): string {
  return `${host} ${JSON.stringify(labels)}`;
}

function matches(value: HostValue, match: LabelMatch): boolean {
  for (const name in match) {
    const found = labelOf(value, name);
    if (found === undefined || !match[name].includes(found)) return false;
  }
  return true;
}

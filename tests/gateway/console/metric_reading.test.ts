/**
 * Goal: the console's rates and quantiles are those that Prometheus computes from the same metrics.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type MetricFamily,
  MetricInterval,
  MetricReading,
} from "../../../gateway/console/metric_reading.ts";

type Values = Readonly<Record<string, number>>;

/** A reading of the only process. */
function readingOf(families: readonly MetricFamily[], atMs: number): MetricReading {
  return new MetricReading([{ host: "", families }], atMs);
}

/** A counter by one label. */
function counter(name: string, label: string, values: Values): MetricFamily {
  return {
    name,
    values: Object.entries(values).map(([key, value]) => ({ value, labels: { [label]: key } })),
  };
}

function histogram(name: string, bounds: readonly number[], recorded: readonly number[]) {
  const values = [...bounds, Infinity].map((bound) => ({
    value: recorded.filter((value) => value <= bound).length,
    labels: { le: bound === Infinity ? "+Inf" : bound },
    metricName: `${name}_bucket`,
  }));
  return { name, values };
}

function interval(before: MetricFamily[], now: MetricFamily[], seconds = 10): MetricInterval {
  return new MetricInterval(readingOf(before, 0), readingOf(now, seconds * 1000));
}

Deno.test("a rate is the growth of a counter over the time between two readings", () => {
  const at = (a: number, b: number) => [counter("c_total", "status", { a, b })];
  const grown = interval(at(10, 5), at(110, 5));
  assert.equal(grown.rate("c_total"), 10);
  assert.equal(grown.rate("c_total", { status: ["b"] }), 0);
  assert.deepEqual([...grown.rates("status", "c_total")], [["a", 10], ["b", 0]]);
});

Deno.test("a counter of a restarted thread counts from 0, and a missing metric is 0", () => {
  const restarted = interval(
    [counter("c_total", "status", { a: 1000 })],
    [counter("c_total", "status", { a: 20 })],
  );
  assert.equal(restarted.rate("c_total"), 2);
  assert.equal(restarted.rate("other_total"), 0);
  assert.equal(restarted.quantile(0.5, "other_seconds"), undefined);
});

Deno.test("a quantile lies in the bucket that holds it", () => {
  const bounds = [1, 2, 4, 8, 16];
  const values = fc.array(fc.double({ min: 0.01, max: 15.9, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(
      values,
      values,
      fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      (before, new_, q) => {
        const estimate = interval(
          [histogram("s", bounds, before)],
          [histogram("s", bounds, [...before, ...new_])],
        ).quantile(q, "s") ?? NaN;
        const exact = new_.toSorted((a, b) => a - b)[Math.ceil(q * new_.length) - 1];
        const upper = bounds.findIndex((bound) => exact <= bound);
        assert.ok(estimate <= bounds[upper], `${estimate} > ${bounds[upper]}`);
        assert.ok(estimate >= (bounds[upper - 1] ?? 0), `${estimate} < ${bounds[upper - 1]}`);
      },
    ),
  );
});

Deno.test("values beyond the last bound count as that bound", () => {
  const beyond = interval([histogram("s", [1], [])], [histogram("s", [1], [50, 60])]);
  assert.equal(beyond.quantile(0.99, "s"), 1);
});

/** A reading of several hosts with one counter each. */
function hostsReading(values: Values, atMs: number): MetricReading {
  const hosts = Object.entries(values).map(([host, value]) => ({
    host,
    families: [counter("c_total", "status", { a: value })],
  }));
  return new MetricReading(hosts, atMs);
}

Deno.test("a host that was away, or comes back, adds no rate of its own; one that restarts counts from 0", () => {
  const rate = (before: Values, now: Values) =>
    new MetricInterval(hostsReading(before, 0), hostsReading(now, 10_000)).rate("c_total");
  assert.equal(rate({ a: 1000, b: 5000 }, { a: 1010 }), 1, "b is away");
  assert.equal(rate({ a: 1010 }, { a: 1020, b: 9000 }), 1, "b is back");
  assert.equal(rate({ a: 1000, b: 5000 }, { a: 1010, b: 30 }), 4, "b began anew");
});

Deno.test("values of a host are told apart by the label host", () => {
  const reading = hostsReading({ a: 1, b: 2 }, 0);
  assert.deepEqual([...reading.by("host", "c_total")], [["a", 1], ["b", 2]]);
  assert.equal(reading.sum("c_total", { host: ["b"] }), 2);
  assert.deepEqual([...reading.leastBy("status", "c_total")], [["a", 1]]);
  assert.deepEqual([...reading.meanBy("status", "c_total")], [["a", 1.5]]);
});

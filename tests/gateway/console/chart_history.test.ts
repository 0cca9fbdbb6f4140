import assert from "node:assert/strict";
import { ChartHistory } from "../../../gateway/console/chart_history.ts";
import type { Chart, ChartPoint } from "../../../gateway/console/charts.ts";
import { MetricInterval, MetricReading } from "../../../gateway/console/metric_reading.ts";

const reading = new MetricReading([], 0);
const interval = new MetricInterval(reading, reading);

/** A history of one chart that draws the given points. */
function historyOf(points: readonly ChartPoint[], capacity: number) {
  let next = 0;
  const chart: Chart = {
    id: "chart",
    group: "Serving",
    title: "A chart",
    unit: "count",
    point: () => points[next++],
  };
  const history = new ChartHistory([chart], capacity);
  points.forEach((_, i) => history.add(i, interval));
  return history.read();
}

Deno.test("the newest samples are kept in order", () => {
  const series = historyOf([{ a: 1 }, { a: 2 }, { a: 3 }, { a: 4 }, { a: 5 }], 3);
  assert.deepEqual(series, { timesMs: [2, 3, 4], charts: { chart: { a: [3, 4, 5] } } });
});

Deno.test("a line without a value at some time has a gap, also before it began", () => {
  const series = historyOf([{ a: 1 }, { b: 2 }, { a: undefined, b: 3 }], 8);
  assert.deepEqual(series.charts.chart, { a: [1, null, null], b: [null, 2, 3] });
});

Deno.test("labels without bound do not grow the memory", () => {
  const points = Array.from({ length: 200 }, (_, i) => ({ [`line ${i}`]: i }));
  assert.equal(Object.keys(historyOf(points, 4).charts.chart).length, 24);
});

Deno.test("an empty history has no samples", () => {
  assert.deepEqual(historyOf([], 4), { timesMs: [], charts: { chart: {} } });
});

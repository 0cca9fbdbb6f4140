import assert from "node:assert/strict";
import { histogramChart } from "../../../cli/report/histogram_chart.ts";
import { lineChart } from "../../../cli/report/line_chart.ts";
import { renderReport } from "../../../cli/report/page.ts";
import { linearScale, logScale, shortNumber } from "../../../cli/report/scale.ts";

/** Coordinates of a curve's path. */
function pathPoints(svg: string): [number, number][] {
  const [, path] = /class="curve" d="([^"]+)"/.exec(svg)!;
  return [...path.matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
}

Deno.test("a curve keeps its points in order, higher values higher up, and leaves out what is no number", () => {
  const points = pathPoints(lineChart(
    [{ name: "AUC", points: [[0, 0.5], [10, NaN], [20, 0.7], [30, 0.6]] }],
    { xLabel: "examples", yLabel: "AUC" },
  ));
  assert.equal(points.length, 3);
  const [[x0, y0], [x1, y1], [x2, y2]] = points;
  assert.ok(x0 < x1 && x1 < x2);
  assert.ok(y1 < y2 && y2 < y0);
});

Deno.test("nothing to draw is said in words", () => {
  assert.match(lineChart([], { xLabel: "x", yLabel: "y" }), /no points/);
  assert.match(histogramChart(new Float64Array(0), { xLabel: "ms", series: 1 }), /no samples/);
});

Deno.test("a histogram draws every sample once and marks the percentiles", () => {
  const samples = Float64Array.from({ length: 500 }, (_, i) => 1 + i / 10);
  const svg = histogramChart(samples, { xLabel: "ms", series: 1 });
  const drawn = [...svg.matchAll(/<title>[^<]*: (\d+)<\/title>/g)].map(([, count]) =>
    Number(count)
  );
  assert.equal(drawn.reduce((sum, count) => sum + count, 0), 500);
  assert.match(svg, /p50 25\.9</);
  assert.match(svg, /p99 50\.4</);
});

Deno.test("one single value still makes a chart without NaN", () => {
  for (
    const svg of [
      lineChart([{ name: "one", points: [[5, 0.5]] }], { xLabel: "x", yLabel: "y" }),
      histogramChart(Float64Array.of(3), { xLabel: "ms", series: 1 }),
    ]
  ) assert.doesNotMatch(svg, /NaN|Infinity/);
});

Deno.test("axes carry round ticks inside their domain", () => {
  assert.deepEqual(linearScale([0.62, 0.81], [0, 100], 5).ticks, [0.65, 0.7, 0.75, 0.8]);
  assert.deepEqual(linearScale([0, 100_000], [0, 100], 5).ticks, [
    0,
    20_000,
    40_000,
    60_000,
    80_000,
    100_000,
  ]);
  assert.deepEqual(logScale([0.9, 60], [0, 100]).ticks, [1, 2, 5, 10, 20, 50]);
  assert.deepEqual([0.7643, 1500, 2_500_000, 12].map(shortNumber), [
    "0.7643",
    "1.5k",
    "2.5M",
    "12",
  ]);
});

Deno.test("names from outside never become markup", () => {
  const page = renderReport({
    title: "<script>alert(1)</script>",
    subtitle: 'a "quoted" & b',
    figures: [{ label: "<b>", value: "1", target: "< 2", reached: true }],
    sections: [{
      title: "t",
      note: "n",
      chart: lineChart([{ name: "</title><i>", points: [[0, 1], [1, 2]] }], {
        xLabel: "<x>",
        yLabel: "y",
      }),
    }],
    footnotes: ["</footer>"],
  });
  assert.doesNotMatch(page, /<script|<b>&|<i>|<x>/);
  assert.equal(page.match(/<\/footer>/g)!.length, 1);
});

import assert from "node:assert/strict";
import { charts } from "../../../gateway/console/charts.ts";
import { MetricInterval, MetricReading } from "../../../gateway/console/metric_reading.ts";

/** A reading of ten requests of a route that took 10 ms at most. */
function requestsOf(route: string): MetricReading {
  const name = "cairn_http_request_seconds";
  const values = [0.01, "+Inf"].map((le) => ({
    value: 10,
    labels: { route, le },
    metricName: `${name}_bucket`,
  }));
  return new MetricReading([{ host: "", families: [{ name, values }] }], 1_000);
}

Deno.test("the latency of rankings is that of every route that ranks", () => {
  const latency = charts.find(({ id }) => id === "latency");
  const p50Of = (route: string) =>
    latency?.point(
      new MetricInterval(
        new MetricReading([{ host: "", families: [] }], 0),
        requestsOf(route),
      ),
    ).p50;
  for (const route of ["/v1/rank", "/v1/recommend", "/v1/similar"]) assert.equal(p50Of(route), 5);
  assert.equal(p50Of("/v1/events"), undefined);
});

Deno.test("the AUC of a task is the mean of its trainers", () => {
  const auc = charts.find(({ id }) => id === "auc");
  const values = [0.6, 0.8].map((value, i) => ({
    value,
    labels: { trainer: String(i), task: "click" },
  }));
  const families = [{ name: "cairn_trainer_auc", values }];
  const now = new MetricReading([{ host: "", families }], 1_000);
  const point = auc?.point(new MetricInterval(new MetricReading([], 0), now));
  assert.ok(Math.abs((point?.click ?? 0) - 0.7) < 1e-12);
});

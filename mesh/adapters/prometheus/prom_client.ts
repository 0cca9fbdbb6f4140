/**
 * The parts of prom-client that are used. Its main module also loads the default metrics and the
 * exchange with cluster workers, which takes 30 ms of core time in each thread of a start.
 */
import type * as client from "prom-client";
import counter from "prom-client/lib/counter.js";
import gauge from "prom-client/lib/gauge.js";
import histogram from "prom-client/lib/histogram.js";
import registry from "prom-client/lib/registry.js";

export const Counter: typeof client.Counter = counter;
export const Gauge: typeof client.Gauge = gauge;
export const Histogram: typeof client.Histogram = histogram;
export const Registry: typeof client.Registry = registry;

type Snapshot = client.MetricObjectWithValues<client.MetricValue<string>>[];

/** A registry with the metrics of all snapshots, merged by name. */
export async function aggregated(snapshots: readonly Snapshot[]): Promise<client.Registry> {
  const { default: cluster } = await import("prom-client/lib/cluster.js");
  const { aggregate }: typeof client.AggregatorRegistry = cluster;
  return aggregate([...snapshots]);
}

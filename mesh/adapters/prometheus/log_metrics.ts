/**
 * Gauges of how full the logs are, whether they refuse appends, and whether rankings are shared.
 * They are read at each scrape, so that appends and rankings cost no metric.
 */
import type { EventLog } from "../../ports/event_log.ts";
import type { SharedRankings } from "../../ports/shared_rankings.ts";
import { Counter, Gauge } from "./prom_client.ts";
import type { PrometheusTelemetry } from "./prometheus_telemetry.ts";

/** @param logs The logs that this thread writes, by the name for their label. */
export function registerLogMetrics(
  { registry }: PrometheusTelemetry,
  logs: Readonly<Record<string, EventLog>>,
): void {
  const gauge = (name: string, help: string, valueOf: (log: EventLog) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["log"],
      registers: [registry],
      collect() {
        for (const [log, opened] of Object.entries(logs)) this.set({ log }, valueOf(opened));
      },
    });
  gauge("cairn_log_bytes", "Bytes that the log holds.", (log) => log.usage().bytes);
  gauge(
    "cairn_log_bytes_max",
    "Bytes that the log may hold (storage.logBytesMax).",
    (log) => log.usage().bytesMax,
  );
  gauge(
    "cairn_log_refusing",
    "1 while the log takes no appends: it is full, or the disk is full or failed.",
    (log) => log.refusal() === undefined ? 0 : 1,
  );
}

/** Metrics of the rankings that the gateways of a mesh know of each other. */
export function registerRankingMetrics(
  { registry }: PrometheusTelemetry,
  rankings: SharedRankings,
): void {
  new Gauge({
    name: "cairn_rankings_unshared",
    help: "Rankings whose events the other gateways refuse, until the Redis server answers.",
    registers: [registry],
    collect() {
      this.set(rankings.unshared);
    },
  });
  new Counter({
    name: "cairn_rankings_given_up_total",
    help: "Rankings whose events the other gateways refuse for good: too many waited to be shared.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(rankings.givenUp);
    },
  });
}

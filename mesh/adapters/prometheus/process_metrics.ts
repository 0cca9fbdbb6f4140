/**
 * Metrics of the process (CPU, memory, files) under the usual names of Prometheus' dashboards.
 * Registered once, in the main thread.
 */
import process from "node:process";
import { Counter, Gauge } from "./prom_client.ts";
import type { PrometheusTelemetry } from "./prometheus_telemetry.ts";

export function registerProcessMetrics({ registry }: PrometheusTelemetry): void {
  const registers = [registry];
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Resident memory of the process, all threads, bytes.",
    registers,
    collect() {
      this.set(Deno.memoryUsage().rss);
    },
  });
  new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time of the process, all threads, seconds.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the process began, seconds since the Unix epoch.",
    registers,
  }).set((Date.now() - performance.now()) / 1000);
}

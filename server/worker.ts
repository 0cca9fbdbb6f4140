/**
 * What runs in a worker thread of the mesh: what serves scores, embedding shards, or a trainer.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { runWorkerPlace } from "../mesh/adapters/deno/worker_thread.ts";
import { PrometheusTelemetry } from "../mesh/adapters/prometheus/prometheus_telemetry.ts";
import { computingDefinitions } from "./definitions.ts";
import { openSharedStorage, type SharedStorage } from "./storage.ts";
import { nodeMetrics } from "./node_metrics.ts";

/** Plain data from the starting thread. */
export interface WorkerSetup {
  readonly configuration: CairnConfiguration;
  readonly storage: SharedStorage;
}

runWorkerPlace<WorkerSetup>({
  telemetry: (log) =>
    new PrometheusTelemetry({
      logLevelMin: "debug", // the starting thread decides what is shown
      writeLog: ({ level, message, fields }) => log(level, message, fields),
    }),
  async compose({ node, setup: { configuration, storage } }) {
    return {
      definitions: computingDefinitions(
        configuration,
        await openSharedStorage(storage),
        node.telemetry,
      ),
      metrics: nodeMetrics(node, node.telemetry as PrometheusTelemetry),
    };
  },
});

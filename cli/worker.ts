/**
 * What runs in a worker thread of the mesh: what serves scores, embedding shards, or a trainer.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { runWorkerPlace } from "../mesh/adapters/deno/worker_place.ts";
import { PrometheusTelemetry } from "../mesh/adapters/prometheus/prometheus_telemetry.ts";
import { computingDefinitions } from "./mesh/mesh_definitions.ts";
import { openSharedStorage, type SharedStorage } from "./mesh/mesh_storage.ts";
import { nodeMetrics } from "./mesh/node_metrics.ts";

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

/**
 * The entry module of a worker thread: a node that hosts serving replicas and scorers, embedding
 * shards, or a trainer.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { runWorkerThread } from "../../mesh/adapters/deno/run_worker_thread.ts";
import { HugePages } from "../../mesh/adapters/linux/huge_pages.ts";
import { PrometheusTelemetry } from "../../mesh/adapters/prometheus/prometheus_telemetry.ts";
import { largeMemories } from "../../structures/large_memories.ts";
import { computingDefinitions } from "../computing_definitions.ts";
import { nodeMetrics } from "../node_metrics.ts";
import { openStores } from "../open_stores.ts";
import { machineSessions } from "./dense_sessions.ts";
import { openSharedStorage, type SharedStorage } from "./shared_storage.ts";

/** Plain data from the starting thread. */
export interface WorkerSetup {
  readonly configuration: CairnConfiguration;
  readonly storage: SharedStorage;
}

runWorkerThread<WorkerSetup>({
  telemetry: (log) =>
    new PrometheusTelemetry({
      logLevelMin: "debug", // the starting thread filters by level
      writeLog: ({ level, message, fields }) => log(level, message, fields),
    }),
  async compose({ node, setup: { configuration, storage } }) {
    const telemetry = node.telemetry as PrometheusTelemetry;
    HugePages.start(node.clock, largeMemories);
    const stores = await openStores(() => openSharedStorage(storage), {
      clock: node.clock,
      telemetry,
    });
    return {
      definitions: computingDefinitions({
        ...stores,
        dense: machineSessions(configuration, telemetry),
      }),
      metrics: nodeMetrics(node, telemetry),
    };
  },
});

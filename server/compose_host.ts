/**
 * The composition of one host of a mesh of several processes: the same actors as in one process, as
 * far as the roles of the host have them.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import type { ComposeOptions } from "./compose.ts";
import { hostDefinitions, requireStores } from "./definitions.ts";
import type { HostEnvironment } from "./environment.ts";
import { hostOf } from "./host_of.ts";
import { hostPages } from "./host_pages.ts";
import { openGateway, type RunningMesh } from "./open_gateway.ts";
import { blobsPlaceOf, HostBlobs } from "./host_blobs.ts";
import { SnapshotFence } from "./snapshot_fence.ts";
import { SnapshotOutcome } from "./snapshot_outcome.ts";
import { type RunningHost, withActors } from "./start_actors.ts";

/** A host at work. */
export interface ComposedHost extends RunningHost {
  /** The mesh as this host sees it, where it serves; undefined on other hosts. */
  readonly serving: RunningMesh | undefined;
}

/**
 * Starts the nodes and the actors of a host. An actor that needs another host waits until that host
 * is there.
 *
 * @throws {Error} When a part cannot start; then everything that had started is stopped and
 * `environment` is closed.
 */
export async function composeHost(
  configuration: CairnConfiguration,
  environment: HostEnvironment,
  { onStep }: ComposeOptions = {},
): Promise<ComposedHost> {
  const { host, stores, dense, placement } = environment;
  const { roles } = hostOf(configuration, host);
  const fence = placement && new SnapshotFence(
    new HostBlobs({
      blobs: stores.blobs,
      place: blobsPlaceOf(configuration.storage),
      run: placement.description,
    }),
    placement.description,
  );
  const snapshotOutcome = new SnapshotOutcome();
  const definitions = hostDefinitions(roles, stores, dense, {
    ...(fence && { publisher: fence }),
    onOutcome: snapshotOutcome.tell,
  });
  return await withActors(
    {
      configuration,
      environment,
      definitions,
      snapshotOutcome,
      host,
      onStep,
      ...(fence && { fence }),
      logs: stores,
    },
    async (started) => {
      if (roles.includes("serving")) {
        const gateway = { ...environment, stores: requireStores(stores) };
        const serving = await openGateway(gateway, started);
        return {
          get configuration() {
            return serving.configuration;
          },
          fetch: (request) => serving.fetch(request),
          mesh: serving.mesh,
          metricsText: () => serving.metricsText(),
          stop: () => serving.stop(),
          serving,
        };
      }
      const { mesh, stop, unplacedParts, leaseEnd, snapshotFailures } = started;
      await started.made;
      const metricsText = async () => environment.metrics.render(await mesh.metrics());
      const pages = hostPages(environment, {
        metricsText,
        unplacedParts,
        leaseEnd,
        snapshotFailures,
      });
      return {
        get configuration() {
          return started.configuration();
        },
        fetch: pages,
        mesh,
        metricsText,
        stop,
        serving: undefined,
      };
    },
  );
}

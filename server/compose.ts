/**
 * The composition: from a checked configuration and an environment to a running mesh with its HTTP
 * interface.
 *
 * Nothing here touches the machine. The returned `fetch` listens on no port; the caller decides how
 * requests reach it.
 */
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { computingDefinitions } from "./computing_definitions.ts";
import { leadingDefinitions } from "./definitions.ts";
import type { Environment } from "./environment.ts";
import { openGateway, type RunningMesh } from "./open_gateway.ts";
import { withActors } from "./start_actors.ts";
import { SnapshotOutcome } from "./snapshot_outcome.ts";

export type { RunningMesh };

export interface ComposeOptions {
  /** Takes the current step of the start, in words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Starts the nodes and the actors of the configuration's plan in one process, then the gateway in
 * front of them. The start has no time limit; `onStep` takes its progress.
 *
 * @throws {Error} When a part cannot start; then everything that had started is stopped and
 * `environment` is closed.
 */
export async function compose(
  configuration: CairnConfiguration,
  environment: Environment,
  { onStep }: ComposeOptions = {},
): Promise<RunningMesh> {
  const { stores, dense } = environment;
  const { publisher } = stores;
  const snapshotOutcome = new SnapshotOutcome();
  const definitions = [
    ...leadingDefinitions(stores, {
      ...(publisher && { publisher }),
      onOutcome: snapshotOutcome.tell,
    }),
    ...computingDefinitions({ ...stores, dense }),
  ];
  return await withActors(
    { configuration, environment, definitions, snapshotOutcome, onStep },
    (started) => openGateway(environment, started),
  );
}

/**
 * Starts the nodes and the actors of one process, and stops them again.
 */
import { divisionsOf, withDivisions } from "../configuration/sharding.ts";
import type { MeshView } from "../mesh/ports/coordination.ts";
import type { HostSnapshotFailure } from "../mesh/ports/snapshot_failure.ts";
import { counted } from "../structures/counted.ts";
import { present } from "../structures/invariant.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { Mesh, type MeshPart, type MeshStartOptions, placementOf } from "../mesh/runtime/mesh.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import type { Environment, HostEnvironment } from "./environment.ts";
import { extendLogs, type HostLogs } from "./host_sharding.ts";
import { nodeMetrics } from "./node_metrics.ts";
import { addresses, placedKinds } from "./addresses.ts";
import { takeLastSnapshot } from "./last_snapshot.ts";
import { nodesOf } from "./layout.ts";
import { openStores } from "./open_stores.ts";
import { planOf } from "./plan.ts";
import type { SnapshotFence } from "./snapshot_fence.ts";
import type { SnapshotOutcome } from "./snapshot_outcome.ts";
import {
  type OpenedPlacement,
  openPlacement,
  type Placing,
  startPlacement,
  threadsTold,
} from "./start_placement.ts";
import type { UnplacedPart } from "./unplaced_parts.ts";

/** One process at work. */
export interface RunningHost {
  readonly configuration: CairnConfiguration;
  /** Answers one HTTP request. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly mesh: Mesh;
  /** The metrics of all nodes of the process in Prometheus' text format. */
  metricsText(): Promise<string>;
  /**
   * Takes a last snapshot, handles waiting messages, ends the actors, closes the environment.
   * Idempotent.
   */
  stop(): Promise<void>;
}

/** The actors of a process. */
export interface StartedActors {
  readonly mesh: Mesh;
  /** Resolves when the actors are made; rejects when one cannot be. */
  readonly made: Promise<void>;
  /** With the present numbers of shards and trainers, where a coordination store changes it. */
  configuration(): CairnConfiguration;
  /** Reads the coordination store; absent = nothing is placed by one. */
  readonly meshView?: () => Promise<MeshView>;
  /** Names of the other hosts that have joined the mesh and not left it. */
  readonly joinedHosts?: () => readonly string[];
  /** Names of the hosts of the mesh that this host's file does not list. */
  readonly unlistedHosts?: () => readonly string[];
  /** The parts that cannot be placed on their hosts. */
  readonly unplacedParts?: () => readonly UnplacedPart[];
  /** The warning that this host cannot renew its lease; undefined where it has one. */
  readonly leaseEnd?: () => string | undefined;
  /** The failures of the last attempts to take a snapshot. */
  readonly snapshotFailures: () => readonly HostSnapshotFailure[];
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly configuration: CairnConfiguration;
  readonly environment:
    & Omit<Environment, "stores">
    & Partial<Pick<HostEnvironment, "placement" | "links">>;
  /** The kinds of actors of the home node. */
  readonly definitions: readonly AnyDefinition[];
  /** The host that this process is; undefined = the only process. */
  readonly host?: string;
  /** The outcome of the snapshots that are taken here. */
  readonly snapshotOutcome: SnapshotOutcome;
  /** The logs of a host that has them; they are given the partitions of the mesh. */
  readonly logs?: HostLogs;
  /** The fence of snapshots in a mesh with a coordination store; absent = there is none. */
  readonly fence?: SnapshotFence;
  /** Takes the current step of the start, in words. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/**
 * Budget for making an actor, ms: a shard takes as long as its rows need. Where its thread ends,
 * the ask fails at once.
 */
const SPAWN_BUDGET_MS = 7 * 24 * 3_600_000;

/** Pause before an actor that needs a host which is away is made again, ms. */
const SPAWN_RETRY_MS = 500;

/**
 * Starts the nodes and the actors of a process, and runs `work` on them while the actors are made.
 * The start has no time limit; `onStep` takes its progress.
 *
 * @throws {Error} When a part cannot start, or from `work`; then everything that had started is
 * stopped and the environment is closed.
 */
export async function withActors<T>(
  options: StartOptions,
  work: (started: StartedActors) => Promise<T>,
): Promise<T> {
  const { environment, definitions, host, fence, snapshotOutcome, logs, onStep } = options;
  const { home, metrics } = environment;
  const nodes = nodesOf(options.configuration, host);
  const part: MeshPart | undefined = host === undefined
    ? undefined
    : { nodes: [home.name, ...nodes.map(({ name }) => name)], retryMs: SPAWN_RETRY_MS };
  const mesh = new Mesh({
    home,
    spawnBudgetMs: SPAWN_BUDGET_MS,
    composition: {
      definitions: definitions.map((each) => environment.observe?.(each) ?? each),
      metrics: nodeMetrics(home, metrics),
    },
    ...(part && { part }),
  });
  const takesSnapshots = () =>
    options.configuration.storage.kind !== "memory" &&
    mesh.nodeOf(addresses.snapshotter) !== undefined;
  let opened: OpenedPlacement | undefined;
  let placing: Placing | undefined;
  let { configuration } = options;
  const configurationNow = () => placing?.configuration() ?? configuration;
  const stop = once(async () => {
    environment.beginStop?.();
    if (takesSnapshots()) await takeLastSnapshot(mesh, configurationNow());
    await placing?.stop();
    await opened?.close();
    const abandoned = await mesh.stop();
    for (const [address, count] of Object.entries(abandoned)) {
      if (count < 0) home.telemetry.log("warn", `${address} did not end in time`);
      else {
        home.telemetry.log("warn", `${address} was stopped with messages unhandled`, { count });
      }
    }
    await environment.close();
  });
  try {
    const { placement } = environment;
    const blobs = placement && present(fence, "a mesh that places parts fences snapshots").blobs;
    const { clock, telemetry } = home;
    const waiting = { clock, telemetry, onStep };
    if (placement !== undefined && blobs !== undefined) {
      onStep?.("joining the mesh");
      opened = await openStores(() => openPlacement(placement, blobs, waiting), waiting);
      configuration = withDivisions(configuration, divisionsOf(opened.view.identity));
      await openStores(() => extendLogs(configuration, logs), waiting);
    }
    const all = planOf(configuration, opened && threadsTold(opened));
    const plan = all.filter(({ kind }) => placement === undefined || !placedKinds.has(kind));
    let othersBegun: Promise<void> | undefined;
    if (nodes.length > 0 || part !== undefined) {
      onStep?.(`starting ${counted(nodes.length, "thread")}`);
      othersBegun = environment.startNodes({
        nodes,
        placement: placementOf(plan),
        mesh: opened?.view.identity.mesh,
      });
    }
    const onSpawn: MeshStartOptions["onSpawn"] = ({ kind, key }, index, count) => {
      onStep?.(`making ${kind}/${key}, actor ${index + 1} of ${count}`);
    };
    const starting = mesh.start(plan, { onSpawn, othersBegun });
    const made = starting.then(() => {
      onStep?.("opening the gateway");
    });
    made.catch(() => {}); // `work` awaits it
    await othersBegun;
    if (opened !== undefined && fence !== undefined) {
      placing = await startPlacement({
        opened,
        configuration,
        mesh,
        links: () => environment.links?.() ?? [],
        started: starting,
        fence,
        snapshotOutcome,
        logs,
        waiting,
      });
    }
    return await work({
      mesh,
      made,
      stop,
      configuration: configurationNow,
      snapshotFailures: placing?.snapshotFailures ?? (() => ownFailure(snapshotOutcome)),
      ...(placing && {
        meshView: placing.view,
        joinedHosts: placing.joinedHosts,
        unlistedHosts: placing.unlistedHosts,
        unplacedParts: placing.unplacedParts,
        leaseEnd: placing.leaseEnd,
      }),
    });
  } catch (error) {
    await stop();
    throw error;
  }
}

function ownFailure({ failure }: SnapshotOutcome): readonly HostSnapshotFailure[] {
  return failure === undefined ? [] : [failure];
}

/** The function, run at most once; every caller gets the one outcome. */
function once(run: () => Promise<void>): () => Promise<void> {
  let outcome: Promise<void> | undefined;
  return () => outcome ??= run();
}

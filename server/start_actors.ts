/**
 * Starts the nodes and the actors of one process, and stops them again.
 */
import type { MeshView } from "../mesh/ports/coordination.ts";
import { counted } from "../structures/counted.ts";
import { present } from "../structures/invariant.ts";
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { Mesh, type MeshPart, placementOf, type PlannedActor } from "../mesh/runtime/mesh.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import type { Environment, HostEnvironment, PlacementEnvironment } from "./environment.ts";
import { nodeMetrics } from "./node_metrics.ts";
import { PlacementAgent } from "./placement_agent.ts";
import { addresses, nodesOf, placedAddress, placedKinds, placedNode, planOf } from "./plan.ts";
import type { SnapshotFence } from "./snapshot_fence.ts";
import { StartProgress } from "./start_progress.ts";

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
  /** Reads the coordination store; absent = nothing is placed by one. */
  readonly meshView?: () => Promise<MeshView>;
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly configuration: CairnConfiguration;
  readonly environment: Omit<Environment, "stores"> & Pick<HostEnvironment, "placement">;
  /** The kinds of actors of the home node. */
  readonly definitions: readonly AnyDefinition[];
  /** The host that this process is; undefined = the only process. */
  readonly host?: string;
  /** Takes the coordination store, under which snapshots are published. Default: there is none. */
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
 * Budget of the last snapshot: below the 30 s and more that Kubernetes and systemd wait before they
 * kill, ms.
 */
const LAST_SNAPSHOT_BUDGET_MS = 20_000;

/**
 * Starts the nodes and the actors of a process, then runs `work` on them. The start has no time
 * limit; its progress is logged.
 *
 * @throws {Error} When a part cannot start, or from `work`; then everything that had started is
 * stopped and the environment is closed.
 */
export async function withActors<T>(
  options: StartOptions,
  work: (started: StartedActors) => Promise<T>,
): Promise<T> {
  const { configuration, environment, definitions, host, fence, onStep } = options;
  const { home, metrics } = environment;
  const nodes = nodesOf(configuration, host);
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
  let takesSnapshots = false;
  let placing: Placing | undefined;
  const stop = once(async () => {
    environment.beginStop?.();
    if (takesSnapshots) await takeLastSnapshot(mesh);
    await placing?.stop();
    const abandoned = await mesh.stop();
    for (const [address, count] of Object.entries(abandoned)) {
      if (count < 0) home.telemetry.log("warn", `${address} did not end in time`);
      else {
        home.telemetry.log("warn", `${address} was stopped with messages unhandled`, { count });
      }
    }
    await environment.close();
  });
  const progress = new StartProgress({ clock: home.clock, telemetry: home.telemetry, onStep });
  try {
    const { placement } = environment;
    const all = planOf(configuration);
    const plan = all.filter(({ kind }) => placement === undefined || !placedKinds.has(kind));
    if (nodes.length > 0 || part !== undefined) {
      progress.enter(`starting ${counted(nodes.length, "thread")}`);
      await environment.startNodes({ nodes, placement: placementOf(plan) });
    }
    const starting = mesh.start(plan, ({ kind, key }, index, count) => {
      progress.enter(`making ${kind}/${key}, actor ${index + 1} of ${count}`);
    });
    starting.catch(() => {}); // it is awaited below
    if (placement !== undefined) {
      progress.enter("joining the mesh");
      placing = await startPlacement({ configuration, mesh, placement, plan: all, fence });
    }
    await starting;
    takesSnapshots = configuration.storage.kind !== "memory" &&
      plan.some(({ kind, node }) => kind === "snapshotter" && (part?.nodes.includes(node) ?? true));
    progress.enter("opening the gateway");
    return await work({ mesh, stop, ...(placing && { meshView: placing.view }) });
  } catch (error) {
    await stop();
    throw error;
  } finally {
    progress.end();
  }
}

/** The placement of shards at work. */
interface Placing {
  view(): Promise<MeshView>;
  stop(): Promise<void>;
}

interface PlacementStart {
  readonly configuration: CairnConfiguration;
  readonly mesh: Mesh;
  readonly placement: PlacementEnvironment;
  /** All actors of the mesh. */
  readonly plan: readonly PlannedActor[];
  /** Takes the store, where snapshots are published to it. */
  readonly fence: SnapshotFence | undefined;
}

/** Lets the coordination store give shards and partitions to this host. */
async function startPlacement(
  { configuration, mesh, placement: { open, ...placement }, plan, fence }: PlacementStart,
): Promise<Placing> {
  const { coordination, close } = await open();
  const { host: own } = placement.description;
  const agent = new PlacementAgent({
    mesh,
    coordination,
    ...placement,
    shard: configuration.embeddingShard,
    nodeOf: (host, key) => placedNode(configuration, host, key),
    actorOf(key, tenure) {
      const address = placedAddress(key);
      const actor = plan.find(({ kind, key }) => `${kind}/${key}` === address);
      const { kind, key: name, options } = present(actor, "the plan has each partition's actor");
      const node = placedNode(configuration, own, key);
      return { kind, key: name, node, options: { ...options as object, tenure } };
    },
  });
  try {
    await agent.start();
  } catch (error) {
    await close();
    throw error;
  }
  fence?.attach(coordination);
  return {
    view: () => coordination.read(),
    async stop() {
      fence?.attach(undefined);
      await agent.stop();
      await close();
    },
  };
}

/** Taken when the mesh is told to stop, so that the next start has nothing to learn again. */
async function takeLastSnapshot(mesh: Mesh): Promise<void> {
  const snapshotter = mesh.actorRef<SnapshotterMessage>(addresses.snapshotter);
  const budget = { budgetMs: LAST_SNAPSHOT_BUDGET_MS };
  await snapshotter.ask({ kind: "takeSnapshot" }, budget).catch((cause) => {
    const lost = "no snapshot at the end; the next start learns again from the last one";
    mesh.home.telemetry.log("warn", lost, { cause });
  });
}

/** The function, run at most once; every caller gets the one outcome. */
function once(run: () => Promise<void>): () => Promise<void> {
  let outcome: Promise<void> | undefined;
  return () => outcome ??= run();
}

/**
 * Starts the placement of shards, joiners and trainers by the coordination store: this host joins
 * the mesh, and makes the actors that the store gives it.
 */
import type { SnapshotterMessage } from "../actors/snapshotter/protocol.ts";
import type { CairnConfiguration } from "../configuration/configuration.ts";
import { BlobStoreError } from "../mesh/ports/blob_store.ts";
import type { Coordination, HostThreads, MeshView } from "../mesh/ports/coordination.ts";
import type { HostSnapshotFailure } from "../mesh/ports/snapshot_failure.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { Mesh } from "../mesh/runtime/mesh.ts";
import { invariant, present } from "../structures/invariant.ts";
import { addresses, followersOf, placedAddress } from "./addresses.ts";
import type { HostEnvironment, PlacementEnvironment } from "./environment.ts";
import { type HostLogs, HostSharding } from "./host_sharding.ts";
import { homeNodeOf } from "./layout.ts";
import { openMesh } from "./open_mesh.ts";
import { openStores, type OpenStoresOptions } from "./open_stores.ts";
import type { HostBlobs } from "./host_blobs.ts";
import { PlacementAgent } from "./placement_agent.ts";
import type { SnapshotFence } from "./snapshot_fence.ts";
import type { SnapshotOutcome } from "./snapshot_outcome.ts";
import type { UnplacedPart } from "./unplaced_parts.ts";

/** The store, and the mesh that it has. */
export interface OpenedPlacement {
  readonly environment: PlacementEnvironment;
  readonly coordination: Coordination;
  /** The mesh, before this host has joined it. */
  readonly view: MeshView;
  close(): Promise<void>;
}

/** The placement at work. */
export interface Placing {
  readonly view: () => Promise<MeshView>;
  readonly joinedHosts: () => readonly string[];
  readonly unlistedHosts: () => readonly string[];
  readonly unplacedParts: () => readonly UnplacedPart[];
  readonly leaseEnd: () => string | undefined;
  readonly snapshotFailures: () => readonly HostSnapshotFailure[];
  readonly configuration: () => CairnConfiguration;
  stop(): Promise<void>;
}

/**
 * Connects to the store, and makes the mesh or checks that this host and its blob store fit it.
 *
 * @throws {MeshMismatchError} Hosts of the mesh run that it cannot run beside.
 * @throws {OtherBlobsError} The blob store is not that of the mesh.
 * @throws {ProcessRunsError} A process that belongs to no mesh uses its logs.
 * @throws {ProtocolMismatchError} It does not speak the protocol of the mesh.
 */
export async function openPlacement(
  environment: PlacementEnvironment,
  blobs: HostBlobs,
  waiting: OpenStoresOptions,
): Promise<OpenedPlacement> {
  const { coordination, close } = await environment.open();
  try {
    // Before this host appends to a log, or links with another one.
    const { settings, description: { host } } = environment;
    const identity = await openMesh(coordination, { ...settings, host }, waiting);
    await blobs.require({ coordination, identity }).catch((error) => {
      if (!(error instanceof BlobStoreError)) throw error;
      // Rankings and training need no snapshots, and one without all parts is refused.
      const unseen = "the store of the snapshots does not answer; the host begins without it";
      waiting.telemetry.log("warn", unseen, { cause: error });
    });
    return { environment, coordination, view: await coordination.read(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The threads by host: its own ones, and those that the others have told. */
export function threadsTold(
  { environment: { description }, view }: OpenedPlacement,
): ReadonlyMap<string, HostThreads> {
  const hosts = [...view.hosts.values(), description];
  return new Map(hosts.map(({ host, threads }) => [host, threads]));
}

export interface PlacementStart {
  readonly opened: OpenedPlacement;
  /** With the numbers of shards and trainers of the mesh. */
  readonly configuration: CairnConfiguration;
  readonly mesh: Mesh;
  readonly links: HostEnvironment["links"];
  /** Resolves when the actors that are not placed by the store are there. */
  readonly started: Promise<unknown>;
  readonly snapshotOutcome: SnapshotOutcome;
  /** Takes the coordination store, to which snapshots are published. */
  readonly fence: SnapshotFence;
  readonly logs: HostLogs | undefined;
  readonly waiting: OpenStoresOptions;
}

/** Lets the coordination store give shards and partitions to this host. */
export async function startPlacement(
  { opened, configuration, mesh, links, started, fence, snapshotOutcome, logs, waiting }:
    PlacementStart,
): Promise<Placing> {
  const { environment, coordination } = opened;
  const { blobs } = fence;
  const { description, ttlMs, controller } = environment;
  const { host: own } = description;
  const threads = threadsTold(opened);
  const sharding = new HostSharding({ mesh, configuration, host: own, threads, started, logs });
  const agent = new PlacementAgent({
    mesh,
    coordination,
    description,
    listedHosts: present(configuration.mesh, "a mesh places the parts").hosts.map(({ name }) =>
      name
    ),
    links,
    ttlMs,
    controller,
    onBegan: (host) => environment.onBegan(host),
    refusal: () => logs?.eventLog?.refusal()?.message,
    snapshotFailure: () => snapshotOutcome.failure,
    onGone: (error) => environment.onGone(error),
    sharding,
    takeSnapshot: () => takeSnapshot(mesh, configuration),
    nodeOf: (host, key) => sharding.nodeOf(host, key),
    homeOf: homeNodeOf,
    followersOf: (key) => followersOf(key, sharding.configuration),
    ownBlobsOf: (view) => blobs.ownBlobsOf(view),
    actorsOf(key, tenure, view) {
      const ownBlobs = blobs.ownBlobsOf(view);
      const actorOn = (node: string, address: Address) => {
        const { kind, key: name, options } = sharding.actorAt(address);
        return { kind, key: name, node, options: { ...options as object, tenure, ownBlobs } };
      };
      const node = sharding.nodeOf(own, key);
      return [
        actorOn(node, placedAddress(key, sharding.shards.sharding)),
        ...followersOf(key, sharding.configuration).map((each) => actorOn(homeNodeOf(own), each)),
      ];
    },
  });
  await openStores(() => agent.start(), waiting);
  fence.attach(coordination);
  return {
    view: () => coordination.read(),
    joinedHosts: () => agent.joinedHosts,
    unlistedHosts: () => agent.unlistedHosts,
    unplacedParts: () => agent.unplacedParts,
    leaseEnd: () => agent.leaseEnd,
    snapshotFailures: () => agent.snapshotFailures,
    configuration: () => sharding.configuration,
    async stop() {
      fence.attach(undefined);
      await agent.stop();
    },
  };
}

/** Puts all that is learned into a snapshot, for a change of the number of parts. */
async function takeSnapshot(mesh: Mesh, { storage }: CairnConfiguration): Promise<void> {
  const snapshotter = mesh.actorRef<SnapshotterMessage>(addresses.snapshotter);
  invariant(storage.kind === "directory", "a mesh with a coordination store keeps snapshots");
  await snapshotter.ask({ kind: "takeSnapshot" }, { budgetMs: storage.snapshots.budget });
}

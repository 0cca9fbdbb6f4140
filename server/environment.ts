/**
 * The ports and resources that a mesh is composed from. `machine/` makes an environment of the real
 * machine; a simulation makes one of virtual time and stores that can fail; {@link compose} does
 * not know the difference.
 */
import type { SnapshotPublisher } from "../actors/snapshotter/publisher.ts";
import type { InferenceSession } from "../kernels/dense/inference_session.ts";
import type { TrainingSession } from "../kernels/dense/training_session.ts";
import type { BlobStore } from "../mesh/ports/blob_store.ts";
import type {
  Coordination,
  HostDescription,
  HostTerms,
  MeshSettings,
} from "../mesh/ports/coordination.ts";
import type { ControllerOptions } from "../mesh/placement/controller.ts";
import type { EventLog } from "../mesh/ports/event_log.ts";
import type { ProfileStore } from "../mesh/ports/profile_store.ts";
import type { SharedRankings } from "../mesh/ports/shared_rankings.ts";
import type { Address } from "../mesh/runtime/actor.ts";
import type { MetricFamily } from "../gateway/console/metric_reading.ts";
import type { Node } from "../mesh/runtime/node.ts";
import type { AnyDefinition } from "../mesh/runtime/node_actor.ts";
import type { PlannedNode } from "./layout.ts";

/**
 * Everything outside the actors that one process of a mesh runs on. The mesh that is composed from
 * it owns it.
 */
export interface Environment {
  /**
   * The node that hosts the gateway and the leading actors. Its clock, randomness and telemetry are
   * those of the gateway too; its `onFailure` learns of actors that used up their restarts.
   */
  readonly home: Node;
  readonly stores: MeshStores;
  /** Dense sessions of actors in the home node. */
  readonly dense: DenseSessions;
  readonly metrics: MetricsPages;
  /** The parts that fail now, for `/health/ready`. Default: none. */
  failingParts?(): readonly FailingPart[];
  /** Puts an observer between a kind of actor in the home node and the mesh. Default: none. */
  observe?(definition: AnyDefinition): AnyDefinition;
  /**
   * Starts the other nodes of the plan and links them with the home node and with each other. A
   * node hosts the actors of {@link computingDefinitions}. Called once, and only where the plan has
   * other nodes.
   *
   * @throws {Error} When a node cannot start; {@link close} then ends those that did.
   */
  startNodes(request: NodesRequest): Promise<void>;
  /** The mesh begins to stop: background threads get a larger share of a busy core. Idempotent. */
  beginStop?(): void;
  /** Ends the other nodes, then closes the stores. Called after the last actor has stopped. */
  close(): Promise<void>;
}

/** An actor that crashes again and again while the others go on without it. */
export interface FailingPart {
  /** The actor's address. */
  readonly part: string;
  /** The newest crash, in words. */
  readonly reason: string;
}

/** Everything outside the actors that one host of a mesh of several processes runs on. */
export interface HostEnvironment extends Omit<Environment, "stores"> {
  /** Its name. */
  readonly host: string;
  readonly stores: HostStores;
  /**
   * Starts the other nodes of this host, if any, and begins to link all of its nodes with the nodes
   * of the other hosts. Links come and go afterwards.
   *
   * @throws {Error} When a node cannot start, or the host's address cannot be listened on.
   */
  startNodes(request: NodesRequest): Promise<void>;
  /**
   * The store that gives shards to hosts; absent = each host has the shards that the plan gives it.
   */
  readonly placement?: PlacementEnvironment;
  /** The links with the other hosts now. */
  links(): readonly HostLinkState[];
}

/** The coordination store as one host uses it. */
export interface PlacementEnvironment {
  readonly settings: MeshSettings & HostTerms;
  readonly description: HostDescription;
  /** Length of a host's lease, ms. */
  readonly ttlMs: number;
  readonly controller: Pick<ControllerOptions, "balances" | "movesMax">;
  /** Connects; the caller closes the connection. */
  open(): Promise<{ readonly coordination: Coordination; close(): Promise<void> }>;
  /** Another host of the mesh has begun, and listens. */
  onBegan(host: string): void;
  /** The host was removed from the mesh: the process must stop. */
  onGone(error: Error): void;
}

/** Whether another host of the mesh can be reached. */
export interface HostLinkState {
  readonly host: string;
  readonly isLinked: boolean;
  /** Whether it is linked or was since the start. */
  readonly wasLinked: boolean;
  /** Why it cannot be reached. */
  readonly reason: string | undefined;
}

/** The stores of a host; one that only keeps shards needs no more than blobs. */
export type HostStores =
  & Pick<MeshStores, "blobs">
  & { readonly [Store in Exclude<keyof MeshStores, "blobs">]?: MeshStores[Store] | undefined };

/** The nodes that {@link Environment.startNodes} starts. */
export interface NodesRequest {
  readonly nodes: readonly PlannedNode[];
  /** The node of each actor, by address: every node must know it. */
  readonly placement: readonly (readonly [Address, string])[];
  /** As {@link MeshIdentity.mesh}; undefined where no store has the mesh. */
  readonly mesh?: string | undefined;
}

/** The stores that the home node writes. */
export interface MeshStores {
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
  readonly profiles: ProfileStore;
  readonly blobs: BlobStore;
  /** Rankings of all gateways; absent where there is one. */
  readonly sharedRankings?: SharedRankings;
  /** Lets snapshots count; absent where no other process can use the logs, and in a mesh. */
  readonly publisher?: SnapshotPublisher;
}

/**
 * Opens the configured dense model. Both kinds of session begin with the same untrained weights.
 */
export interface DenseSessions {
  /** @throws {ProviderUnavailableError} When the configured device cannot be used. */
  openInference(): Promise<InferenceSession>;
  /** @throws {ProviderUnavailableError} When the configured device cannot be used. */
  openTraining(): Promise<TrainingSession>;
}

/** The metrics of all nodes as one page. */
export interface MetricsPages {
  /** The values of the home node's instruments now; plain data. */
  snapshot(): Promise<unknown>;
  /** Merges the snapshots of all nodes into Prometheus' text format. */
  render(snapshots: readonly unknown[]): Promise<string>;
  /** Merges the snapshots of all nodes into values. Absent = there is no console. */
  values?(snapshots: readonly unknown[]): Promise<readonly MetricFamily[]>;
}

/**
 * The one truth about a mesh of several processes: its settings, its hosts, the controller's lease,
 * the owner of every shard and partition, the newest manifest, and the plan.
 *
 * Every method is one atomic step. Epochs are minted here and only grow. A process that was paused
 * or cut off changes nothing here when it comes back; its appends, gradients and snapshots carry
 * the epochs that it had, and are refused.
 * No method relies on a clock for safety: clocks only decide when a lease may be taken over.
 */
import type { AgreedSections } from "./agreed_sections.ts";
import type { PlacementHistory } from "./placement_history.ts";
import { type PartitionCounts, partitioningsOf, type PartitionRange } from "./partitioning.ts";
import type { Json } from "./record_store.ts";
import type { ReshardRecord, ReshardRequest } from "./resharding.ts";
import type { SnapshotFailure } from "./snapshot_failure.ts";

/** Numbers with which a mesh is created; {@link Coordination.askReshard} changes them. */
export interface MeshSettings {
  /** Logical shards of the training table. */
  readonly shards: number;
  readonly eventPartitions: number;
  readonly examplePartitions: number;
  /** Trainers, to which the partitions of the example log are dealt. */
  readonly trainers: number;
}

/** The settings of a mesh that exists. */
export interface MeshIdentity extends MeshSettings {
  /** Minted when the mesh was created. */
  readonly mesh: string;
  /**
   * A protocol that all hosts speak: the highest of the lowest ones of all hosts that have joined,
   * 0 before the first.
   * It only grows: a build that cannot read what later ones have written does not come back.
   */
  readonly protocol: number;
  /** Number of the division of ids among shards; grows with each change of `shards`. */
  readonly sharding: number;
  /**
   * Number of the division of partitions among trainers; grows with each change of `trainers` and
   * of the partitions.
   */
  readonly dealing: number;
  /** The partitionings before that of `eventPartitions` and `examplePartitions`, oldest first. */
  readonly earlierPartitions: readonly PartitionCounts[];
  /** Id of the mark in the mesh's blob store; absent before the first host has put one. */
  readonly blobsMark?: string;
}

/** The partitionings of a mesh, oldest first. */
export function partitionCountsOf(
  { earlierPartitions, eventPartitions, examplePartitions }: Pick<
    MeshIdentity,
    "earlierPartitions" | "eventPartitions" | "examplePartitions"
  >,
): readonly PartitionCounts[] {
  return [...earlierPartitions, { events: eventPartitions, examples: examplePartitions }];
}

/**
 * The partitions of the event log that have a joiner: those of the present partitioning, and of the
 * one before, whose joiners read them to their ends. Earlier ones have ended.
 */
export function joinedPartitions(counts: readonly PartitionCounts[]): PartitionRange {
  const last = partitioningsOf(counts).slice(-2).map(({ events }) => events);
  return { first: last[0].first, count: last.reduce((sum, { count }) => sum + count, 0) };
}

/** One run of a host's process. */
export interface HostRun {
  /** The host's name, which a restart keeps. */
  readonly host: string;
  /** A fresh uuid of each process. */
  readonly incarnation: string;
}

/** Whether two runs are the same process. */
export function isSameRun(a: HostRun, b: HostRun): boolean {
  return a.host === b.host && a.incarnation === b.incarnation;
}

/** All that must fit between two hosts, so that they can run beside each other. */
export interface HostTerms {
  readonly configuration: AgreedSections;
  /**
   * Fingerprints of the secrets with which it links: two while the secret is changed, none where
   * the mesh has none. Hosts need one in common.
   */
  readonly secrets: readonly string[];
  /** Protocols that it can speak, inclusive. */
  readonly protocols: readonly [min: number, max: number];
}

/** Threads of a host for its parts, by their use; 0 = these parts are in its home thread. */
export interface HostThreads {
  /** For scores and the replicas of rows; at most 1. */
  readonly serving: number;
  /** For the trainers that it is given. */
  readonly trainers: number;
  /** For the shards that it is given. */
  readonly shards: number;
}

/** A host as it describes itself. */
export interface HostDescription extends HostRun, HostTerms {
  /** Where other hosts reach it, for example `tcp://10.0.0.7:7400`. */
  readonly address: string;
  /** Digests of the sections that each host may have of its own, by name. */
  readonly ownSections: Readonly<Record<string, string>>;
  /** Parts that it may be given, for example `shards`, `trainer`, `serving`. */
  readonly roles: readonly string[];
  /** Memory for shards and replicas, bytes. */
  readonly capacityBytes: number;
  /** Its threads, by which all others address its actors. */
  readonly threads: HostThreads;
  /** Version of the program. */
  readonly version: string;
  /** Format of the operator's plans that it can read. */
  readonly planFormat: number;
}

/** A host as the mesh knows it. */
export interface HostRecord extends HostDescription {
  /** A draining host keeps its shards until they have moved, and gets no new ones. */
  readonly state: "up" | "draining";
  /** End of its lease on the store's clock, ms since the Unix epoch. */
  readonly expiresMs: number;
  /** Figures that it reported with its last renewal, by name. */
  readonly load: Readonly<Record<string, number>>;
  /** Parts that cannot be placed there, by address, with the reason, as of its last renewal. */
  readonly unplaced: Readonly<Record<string, string>>;
  /** Why it refuses events, as of its last renewal; absent where it does not. */
  readonly refusal?: string;
  /** Hosts with which it had no link for some seconds, as of its last renewal. */
  readonly unlinked: readonly HostRun[];
  /**
   * Why its last attempt to take a snapshot failed, as of its last renewal; absent where it did
   * not, and on hosts that take none.
   */
  readonly snapshotFailure?: SnapshotFailure;
}

/** The state of a host that it tells with a renewal. */
export type HostReport =
  & Pick<HostRecord, "load">
  & Partial<Pick<HostRecord, "unplaced" | "unlinked" | "refusal" | "snapshotFailure">>;

/** The controller's lease. */
export interface ControlRecord {
  readonly holder: HostRun;
  /** Grows with each lease; commands of an earlier epoch are refused. */
  readonly epoch: number;
  readonly expiresMs: number;
}

/** The outcome of {@link Coordination.acquireControl}. */
export type ControlTurn =
  | { readonly kind: "controls"; readonly control: ControlRecord }
  /** Another host is the controller, for `leftMs` unless it prolongs its lease. */
  | { readonly kind: "standby"; readonly leftMs: number };

/** The kinds of parts that have one owner each; `events` is a partition with its joiner. */
export type PlacedKind = "shard" | "events" | "trainer";

/** A shard, a partition of the events or a trainer, for example `shard/17`. */
export type PlacedKey = `${PlacedKind}/${number}`;

/** The kind and the number in a key. */
export function parsePlacedKey(
  key: PlacedKey,
): { readonly kind: PlacedKind; readonly number: number } {
  const slash = key.indexOf("/");
  return { kind: key.slice(0, slash) as PlacedKind, number: Number(key.slice(slash + 1)) };
}

/** Steps of a live move, in order. */
export type MovePhase = "filling" | "frozen";

/** The owner of a shard or a partition, and the step at which it is. */
export type Ownership =
  /** No process owns it. */
  | { readonly state: "unassigned" }
  /** The owner reads the newest manifest and replays; it says itself when it is done. */
  | { readonly state: "restoring"; readonly owner: HostRun }
  | { readonly state: "active"; readonly owner: HostRun }
  /** The owner serves on while the target fills; `frozen` ends when the target has taken over. */
  | {
    readonly state: "moving";
    readonly owner: HostRun;
    readonly target: HostRun;
    readonly phase: MovePhase;
  };

/** Ownership of a shard or a partition with its epoch. */
export type Placement = Ownership & {
  /** Grows by one with each new owner; 0 before the first. */
  readonly epoch: number;
};

/** A change of one shard or partition. */
export interface PlacementChange {
  readonly key: PlacedKey;
  /** The placement that the caller has read; another one refuses the whole command. */
  readonly expected: Placement;
  /** The ownership after the change; the epoch is minted by the store. */
  readonly next: Ownership;
  /** Why, for operators: it becomes part of {@link Coordination.history}. */
  readonly reason?: string;
}

/** The controller, and the plan that it has read. */
export interface ControllerTerm {
  readonly controllerEpoch: number;
  /** Edition of the plan from which it has decided, 0 = there was none. */
  readonly planEdition: number;
}

/** Changes that are made together or not at all. */
export interface PlaceCommand {
  /**
   * The controller by its epoch, or a host that reports its own progress: it may end its
   * restoring, say which phase its move has reached, and abort the move of a shard that it owns.
   */
  readonly by: ControllerTerm | HostRun;
  readonly changes: readonly PlacementChange[];
  /**
   * Whether shards are restored from an older state: raises the generation, under which snapshots
   * are published. For the controller only.
   */
  readonly rewind?: boolean;
}

/** The newest complete snapshot. */
export interface ManifestRecord {
  readonly name: string;
  /** From 1, by one with each manifest. */
  readonly sequence: number;
}

/** The owners at the begin of a snapshot. */
export interface SnapshotOwners {
  /** Generation in which its cut was made. */
  readonly generation: number;
  /** Epochs under which its parts were written: they must be the present ones. */
  readonly epochs: Readonly<Partial<Record<PlacedKey, number>>>;
}

/** A snapshot that is complete and asks to become the newest. */
export interface ManifestOffer extends SnapshotOwners {
  readonly name: string;
  /** Sequence of the manifest that it follows, 0 for the first. */
  readonly after: number;
}

/** The blob store that a mesh goes on with after a loss. */
export interface AcceptedBlobs {
  /** Id of the mark that it has. */
  readonly mark: string;
  /** Its newest snapshot, from which all parts begin; absent where it has none. */
  readonly newestSnapshot?: string;
  /** The examples that are given up; see {@link MeshView.examplesFrom}. Default: none. */
  readonly examplesFrom?: readonly number[];
}

/** A document that the operator and the controller write in turns. */
export interface PlanRecord {
  /** From 1, by one with each write. */
  readonly edition: number;
  readonly document: Json;
}

/** The state from which a plan is written. */
export interface ExpectedPlan {
  /** Edition of the last plan, 0 where there was none. */
  readonly edition: number;
  /** Version of the view from which the plan was made; absent = any. */
  readonly version?: number;
  /** The controller that ends the plan; absent for an operator's command. */
  readonly controllerEpoch?: number;
}

/** Everything the store knows of a mesh, at one moment. */
export interface MeshView {
  readonly identity: MeshIdentity;
  /** The store's clock, ms since the Unix epoch. */
  readonly nowMs: number;
  /** Grows with each change except renewals; {@link Coordination.watch} waits for it. */
  readonly revision: number;
  /** Grows with each change of placement, of the set of hosts or of their state. */
  readonly version: number;
  /** Grows each time shards are restored because their owner was lost. */
  readonly generation: number;
  /** By name. A host whose `expiresMs` has passed is still here until the controller removes it. */
  readonly hosts: ReadonlyMap<string, HostRecord>;
  readonly control: ControlRecord | undefined;
  /** Every shard and every partition. */
  readonly placements: ReadonlyMap<PlacedKey, Placement>;
  readonly manifest: ManifestRecord | undefined;
  /**
   * The oldest snapshot that is kept. The example log may lack examples that older ones have not
   * learned, so no part begins from one. Undefined before the first snapshot is finished.
   */
  readonly oldestSnapshot: string | undefined;
  /**
   * By partition of the example log, the first row that an operator has not given up: rows before
   * it may be neither in the log nor in a snapshot from which a part begins. Undefined = none were.
   */
  readonly examplesFrom: readonly number[] | undefined;
  readonly plan: PlanRecord | undefined;
  /** The last change of the number of shards, trainers or partitions. */
  readonly reshard: ReshardRecord | undefined;
}

/** The lease of a host after a renewal. */
export interface HostLease {
  /** Time for which the lease holds from the moment the renewal was sent, ms. */
  readonly ttlMs: number;
  readonly state: HostRecord["state"];
  readonly version: number;
  readonly generation: number;
  /** The present controller, for a host that has to report to it. */
  readonly controllerEpoch: number;
}

/** The settings and terms of a process that opens a mesh. */
export interface MeshOpening extends MeshSettings, HostTerms {
  /** The host that starts: an earlier run of it does not count. Absent for other processes. */
  readonly host?: string;
}

/** The one truth about a mesh. All methods can be called again when their answer was lost. */
export interface Coordination {
  /**
   * Creates the mesh with these settings, or compares the terms with those of its hosts. The
   * numbers of parts are not compared: the mesh keeps its own. Hosts whose leases have expired and
   * that do not fit are removed, so that none of them goes on beside the others. The mesh takes the
   * host's protocol when it joins: a start that fails before changes nothing.
   *
   * @param silent Hosts that {@link SilentHostsError} named a lease ago: they are given up unless
   * they have renewed their leases since.
   * @throws {ProcessRunsError} A process that belongs to no mesh uses its logs.
   * @throws {MeshMismatchError} Hosts run that do not fit.
   * @throws {ProtocolMismatchError} It does not speak the mesh's protocol.
   * @throws {SilentHostsError} Leases of hosts that do not fit have expired, and no such host runs.
   */
  open(settings: MeshOpening, silent?: readonly HostRecord[]): Promise<MeshIdentity>;
  /**
   * Takes the blob store with a mark for that of the mesh, unless the mesh has one; resolves with
   * the id of the mark in the store of the mesh.
   */
  markBlobs(mark: string): Promise<string>;
  /** The whole state at one moment. */
  read(): Promise<MeshView>;
  /** The past of a shard, a joiner or a trainer; empty where the store remembers none. */
  history(key: PlacedKey): Promise<PlacementHistory>;
  /** Waits for a revision above `since`, at most `timeoutMs`; resolves with the last one known. */
  watch(since: number, timeoutMs: number): Promise<number>;

  /**
   * Registers this run of a host. It replaces an earlier run of the same host, whose shards and
   * partitions are restored. The terms are compared as by {@link open}: a host with others may have
   * joined since. Its lowest protocol becomes that of the mesh where it is higher.
   *
   * @throws {ProcessRunsError} A process that belongs to no mesh uses its logs.
   * @throws {MeshMismatchError} Other hosts run that do not fit.
   * @throws {ProtocolMismatchError} It does not speak the mesh's protocol.
   */
  join(host: HostDescription): Promise<HostLease>;
  /**
   * Prolongs the lease of a host.
   *
   * @throws {HostGoneError} The host was removed or replaced: the process must stop at once.
   */
  renew(run: HostRun, report?: HostReport): Promise<HostLease>;
  /**
   * Ends the lease of a host, and its drain. Its shards and partitions are restored elsewhere. No
   * error where it is gone already.
   */
  leave(run: HostRun): Promise<void>;
  /**
   * Begins or ends the draining of a host.
   *
   * @throws {UnknownHostError} There is no such host.
   */
  setHostState(host: string, state: HostRecord["state"]): Promise<void>;
  /**
   * Removes a host whose lease has expired on the store's clock; returns false where it has not.
   *
   * @throws {StaleControllerError} Another process is the controller.
   */
  removeExpired(controllerEpoch: number, run: HostRun): Promise<boolean>;

  /**
   * Takes, or prolongs, the controller's lease, unless another host holds it.
   *
   * @throws {HostGoneError} The caller is not a host of the mesh.
   */
  acquireControl(run: HostRun): Promise<ControlTurn>;
  /** Ends the controller's lease, so that another host need not wait for it to expire. */
  releaseControl(controllerEpoch: number): Promise<void>;
  /**
   * Changes owners or states, all of them or none; resolves with the new placements.
   *
   * @throws {StaleControllerError} Another process is the controller.
   * @throws {PlacementConflictError} A placement is not the expected one.
   * @throws {OvertakenPlacementError} The plan is another one than the controller has read, or it
   * would give a part to a host that drains.
   * @throws {IllegalPlacementError} The change is not allowed, whatever the present placement.
   */
  place(command: PlaceCommand): Promise<ReadonlyMap<PlacedKey, Placement>>;

  /**
   * Makes a complete snapshot the newest one.
   *
   * @throws {StaleManifestError} A shard was restored since, one of the owners that it names
   * changed, or another manifest came first: the snapshot must not be used.
   */
  publishManifest(offer: ManifestOffer): Promise<ManifestRecord>;
  /**
   * Records the oldest snapshot that is kept, before older ones are deleted and the example log is
   * trimmed. Resolves with false, and changes nothing, where an owner of the newest snapshot has
   * changed since its begin, who may be restored from an older one.
   */
  recordOldestSnapshot(oldest: string, owners: SnapshotOwners): Promise<boolean>;
  /**
   * Replaces the plan, if it still is the edition that was read.
   *
   * @throws {PlanConflictError} The plan or the mesh changed meanwhile.
   * @throws {StaleControllerError} Another process is the controller.
   */
  writePlan(expected: ExpectedPlan, document: Json): Promise<PlanRecord>;
  /**
   * Asks for another number of shards, of trainers or of partitions. The same request again is
   * answered as the first one.
   *
   * @throws {ReshardRefusedError} The mesh cannot change it now.
   * @throws {PlanConflictError} The mesh is at another version.
   */
  askReshard(request: ReshardRequest): Promise<ReshardRecord>;
  /**
   * Ends a change that has not begun.
   *
   * @throws {ReshardRefusedError} There is none.
   */
  cancelReshard(): Promise<ReshardRecord>;
  /**
   * Begins the sharding or the dealing that was asked for. A sharding gives all shards up, to be
   * restored in the new number from the newest snapshot, ends the epochs of all trainers, and
   * raises the generation. A dealing gives all trainers up, in the new number: they go on at the
   * newest snapshot, and the shards keep their rows and marks. A partitioning does the same with
   * the trainers, and gives all joiners the next epoch: those of the partitions before end them.
   *
   * @param run The host of the first trainer, which has taken a snapshot since the request.
   * @throws {HostGoneError} The host was removed or replaced.
   * @throws {ReshardRefusedError} The change is not asked for any more, or a shard moves.
   */
  beginReshard(
    run: HostRun,
    change: Pick<ReshardRecord, "parts" | "division">,
  ): Promise<MeshIdentity>;
  /**
   * Records that a change has come to its end. Without effect where it has not, or where another
   * one was asked for since.
   *
   * @throws {StaleControllerError} Another host is the controller.
   */
  endReshard(
    controllerEpoch: number,
    change: Pick<ReshardRecord, "parts" | "division">,
  ): Promise<void>;
  /**
   * For an operator whose store was restored from old data, or whose blob store has lost snapshots:
   * raises every epoch, the version, the revision and the generation by {@link RECOVERY_STEP}, more
   * than can have been lost, and gives all shards and partitions up for a new owner, to begin from
   * this blob store. Sharding and dealing are raised too.
   */
  acceptLoss(blobs: AcceptedBlobs): Promise<void>;
}

/** Distance that {@link Coordination.acceptLoss} puts between old and new epochs. */
export const RECOVERY_STEP = 2 ** 20;

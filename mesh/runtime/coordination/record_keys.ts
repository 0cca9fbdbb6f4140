/**
 * Names and forms of the records of {@link Coordination} in a {@link RecordStore}.
 */
import { joinedPartitions, partitionCountsOf } from "../../ports/coordination.ts";
import type {
  ControlRecord,
  HostRecord,
  HostRun,
  ManifestRecord,
  MeshIdentity,
  PlacedKey,
  PlacedKind,
  Placement,
  PlanRecord,
} from "../../ports/coordination.ts";
import { numbersOf, type PartitionRange } from "../../ports/partitioning.ts";
import type { PlacementHistory } from "../../ports/placement_history.ts";
import type { ReshardRecord } from "../../ports/resharding.ts";
import { APART_PREFIX, type Json, type RecordView } from "../../ports/record_store.ts";

/** Keys of single records; hosts, placements and their histories have one key each. */
export const recordKeys = {
  identity: "identity",
  control: "control",
  /** Counts of placement changes and rewinds. */
  counts: "counts",
  manifest: "manifest",
  oldestSnapshot: "oldestSnapshot",
  examplesFrom: "examplesFrom",
  plan: "plan",
  reshard: "reshard",
  /** The process that belongs to no mesh. */
  process: "process",
  host: (host: string) => `${HOST_PREFIX}${host}`,
  history: (key: PlacedKey) => `${APART_PREFIX}history/${key}`,
} as const;

/** The keys of the placements of so many shards. */
export function shardKeys(shards: number): PlacedKey[] {
  return Array.from({ length: shards }, (_, shard): PlacedKey => `shard/${shard}`);
}

/** Prefix of the hosts' keys. */
export const HOST_PREFIX = "host/";

/** Numbers that only grow. */
export interface Counts {
  readonly version: number;
  readonly generation: number;
}

/** Length of the lease of a process that belongs to no mesh, ms. */
export const PROCESS_LEASE_MS = 5_000;

/** A process that belongs to no mesh and uses the logs of this one. */
export interface ProcessRecord {
  readonly id: string;
  readonly machine: string;
  readonly pid: number;
  /** When its lease ends, ms since the Unix epoch. */
  readonly expiresMs: number;
}

/** The records of coordination, typed. The store holds JSON that only these functions write. */
export const records = {
  identity: (view: RecordView) => view.get(recordKeys.identity) as MeshIdentity | undefined,
  control: (view: RecordView) => view.get(recordKeys.control) as ControlRecord | undefined,
  counts: (view: RecordView) =>
    (view.get(recordKeys.counts) as Counts | undefined) ?? { version: 0, generation: 0 },
  manifest: (view: RecordView) => view.get(recordKeys.manifest) as ManifestRecord | undefined,
  oldestSnapshot: (view: RecordView) => view.get(recordKeys.oldestSnapshot) as string | undefined,
  examplesFrom: (view: RecordView) =>
    view.get(recordKeys.examplesFrom) as readonly number[] | undefined,
  plan: (view: RecordView) => view.get(recordKeys.plan) as PlanRecord | undefined,
  reshard: (view: RecordView) => view.get(recordKeys.reshard) as ReshardRecord | undefined,
  host: (view: RecordView, host: string) =>
    view.get(recordKeys.host(host)) as HostRecord | undefined,
  process: (view: RecordView) => view.get(recordKeys.process) as ProcessRecord | undefined,
  hosts: (view: RecordView): HostRecord[] =>
    view.entries(HOST_PREFIX).map(([, value]) => value as unknown as HostRecord),
  placement: (view: RecordView, key: PlacedKey): Placement =>
    (view.get(key) as Placement | undefined) ?? { state: "unassigned", epoch: 0 },
  history: (view: RecordView, key: PlacedKey): PlacementHistory =>
    (view.get(recordKeys.history(key)) as PlacementHistory | undefined) ?? {},
} as const;

/** A typed record as the store takes it. */
export function json(record: object): Json {
  return record as unknown as Json;
}

/** The run of a host without its description. */
export function runOf({ host, incarnation }: HostRun): HostRun {
  return { host, incarnation };
}

/** The keys of all shards and partitions of a mesh. */
export function placedKeys(identity: MeshIdentity): PlacedKey[] {
  const ranges: Record<PlacedKind, PartitionRange> = {
    shard: { first: 0, count: identity.shards },
    events: joinedPartitions(partitionCountsOf(identity)),
    trainer: { first: 0, count: identity.trainers },
  };
  return (Object.entries(ranges) as [PlacedKind, PartitionRange][]).flatMap(([kind, range]) =>
    numbersOf(range).map((number): PlacedKey => `${kind}/${number}`)
  );
}

/** Raises the version, and the generation where the mesh goes back to its newest manifest. */
export function raiseCounts(view: RecordView, { rewind = false } = {}): void {
  const { version, generation } = records.counts(view);
  const next: Counts = { version: version + 1, generation: generation + (rewind ? 1 : 0) };
  view.set(recordKeys.counts, json(next));
}

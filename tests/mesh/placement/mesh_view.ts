/** Views of a mesh for tests. */
import type {
  HostRecord,
  MeshView,
  PlacedKey,
  Placement,
} from "../../../mesh/ports/coordination.ts";
import type { ReshardRecord } from "../../../mesh/ports/resharding.ts";
import { encodePlan, type PlanDocument } from "../../../mesh/placement/plan_document.ts";
import { descriptionOf } from "./model.ts";

export function hostRecord(host: string, changes: Partial<HostRecord> = {}): HostRecord {
  return {
    ...descriptionOf({ host, incarnation: `${host}-1` }),
    address: `tcp://${host}:7400`,
    state: "up",
    expiresMs: 1e9,
    load: {},
    unplaced: {},
    unlinked: [],
    ...changes,
  };
}

export interface ViewParts {
  readonly nowMs?: number;
  readonly hosts?: readonly HostRecord[];
  /** The shards and partitions of examples; there are as many as it names, from 0. */
  readonly placements?: Readonly<Record<PlacedKey, Placement>>;
  readonly plan?: PlanDocument;
  readonly generation?: number;
  readonly sharding?: number;
  readonly dealing?: number;
  readonly reshard?: ReshardRecord;
}

export function meshView(parts: ViewParts = {}): MeshView {
  const placements = new Map(Object.entries(parts.placements ?? {}) as [PlacedKey, Placement][]);
  const countOf = (kind: string) =>
    [...placements.keys()].filter((key) => key.startsWith(`${kind}/`)).length;
  const hosts = parts.hosts ?? [hostRecord("a"), hostRecord("b")];
  return {
    identity: {
      mesh: "m",
      protocol: 1,
      shards: countOf("shard"),
      eventPartitions: countOf("events"),
      examplePartitions: countOf("trainer"),
      trainers: countOf("trainer"),
      sharding: parts.sharding ?? 0,
      dealing: parts.dealing ?? 0,
      earlierPartitions: [],
    },
    nowMs: parts.nowMs ?? 100_000,
    revision: 1,
    version: 1,
    generation: parts.generation ?? 0,
    hosts: new Map(hosts.map((each) => [each.host, each])),
    control: undefined,
    placements,
    manifest: undefined,
    oldestSnapshot: undefined,
    examplesFrom: undefined,
    plan: parts.plan && { edition: 7, document: encodePlan(parts.plan) },
    reshard: parts.reshard,
  };
}

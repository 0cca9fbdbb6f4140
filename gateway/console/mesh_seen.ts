/**
 * The hosts of the mesh and its shards, as rows of the console's tables. The configuration names
 * the hosts, the coordination store has their leases and the owners of the parts, and metrics have
 * the load of the hosts.
 */
import {
  type HostRecord,
  type MeshView,
  parsePlacedKey,
  type Placement,
} from "../../mesh/ports/coordination.ts";
import { describe } from "../../mesh/ports/coordination_errors.ts";
import { reshardStep, stepText } from "../../mesh/ports/reshard_progress.ts";
import { numbersText } from "../../mesh/ports/resharding.ts";
import type { MetricInterval } from "./metric_reading.ts";
import type { ConfiguredHost, ConsoleSources } from "./sources.ts";

/**
 * `lost`: this process has no link with it, or its lease has expired. `joining`: it has no lease
 * yet. `unknown`: the process began less than a sample ago.
 */
export type HostStateSeen = "live" | "draining" | "joining" | "lost" | "unknown";

export interface HostSeen {
  readonly host: string;
  readonly roles: readonly string[];
  readonly address: string | undefined;
  readonly state: HostStateSeen;
  /** Why it cannot be reached, or did not send its metrics. */
  readonly reason: string | undefined;
  /** Remaining time of its lease at the coordination store, ms; undefined where there is none. */
  readonly leaseMs: number | undefined;
  readonly isController: boolean;
  /** Number of shards that it owns. */
  readonly shards: number;
  /** Numbers of the joiners and trainers that it has; undefined where no store deals them. */
  readonly joiners: readonly number[] | undefined;
  readonly trainers: readonly number[] | undefined;
  readonly residentBytes: number | undefined;
  readonly cores: number | undefined;
  /** Restarts of its actors since its process began. */
  readonly restarts: number | undefined;
  /** When its process began, wall time, ms. */
  readonly startedAtMs: number | undefined;
  /** Wall time of its last answer to this console, ms. */
  readonly answeredAtMs: number | undefined;
}

export interface ShardSeen {
  readonly shard: string;
  /** The host that owns it; empty = the only process. */
  readonly host: string | undefined;
  readonly state: Placement["state"] | "fixed";
  /** Epoch of its owner; undefined where the placement is fixed. */
  readonly epoch: number | undefined;
  /** The move in progress. */
  readonly move: { readonly to: string; readonly phase: string } | undefined;
  readonly rows: number;
  /** In the serving host that has the fewest. */
  readonly rowsServed: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly evictedPerSecond: number;
  /** Share of the index's cells in use. */
  readonly load: number;
  /** Rows that changed and are not yet carried to serving. */
  readonly waiting: number;
}

/** The coordination store's leases and counters. */
export type LeasesSeen =
  | { readonly kind: "oneProcess" }
  | { readonly kind: "fixed" }
  | { readonly kind: "unavailable"; readonly reason: string }
  | {
    readonly kind: "store";
    readonly version: number;
    readonly generation: number;
    readonly controller:
      | { readonly host: string; readonly epoch: number; readonly leaseMs: number }
      | undefined;
  };

export interface MeshSeen {
  readonly leases: LeasesSeen;
  /** The change of a number of parts that is under way, with its step, in words. */
  readonly change: string | undefined;
  /** The joiners and trainers that do not read, each with the reason, in words. */
  readonly notReading: readonly string[];
  readonly hosts: readonly HostSeen[];
  readonly shards: readonly ShardSeen[];
}

export interface MeshMoment {
  /** Undefined before the first two samples. */
  readonly interval: MetricInterval | undefined;
  /** Undefined = there is no store; an error = it does not answer. */
  readonly view: MeshView | Error | undefined;
  /** The newest answer of the store. */
  readonly lastView?: MeshView | undefined;
  /** Wall time of the last answer of each host, ms. */
  readonly answeredAtMs: ReadonlyMap<string, number>;
  /** Why a host did not answer the last sample. */
  readonly failures: ReadonlyMap<string, string>;
}

export function meshSeen(
  sources: Pick<ConsoleSources, "host" | "hosts" | "links">,
  moment: MeshMoment,
): MeshSeen {
  const shards = shardsSeen(moment, sources.hosts);
  return {
    leases: leasesSeen(sources, moment.view),
    change: changeSeen(moment.view),
    notReading: readersSeen(moment.view)
      .filter(({ placement }) => placement.state !== "active")
      .map(({ kind, number, placement }) => `${kind} ${number} is ${describe(placement)}`),
    hosts: hostsSeen(sources, moment, shards),
    shards,
  };
}

function leasesSeen(
  { hosts }: Pick<ConsoleSources, "hosts">,
  view: MeshMoment["view"],
): LeasesSeen {
  if (view instanceof Error) return { kind: "unavailable", reason: view.message };
  if (view === undefined) return { kind: hosts.length > 1 ? "fixed" : "oneProcess" };
  const { version, generation, control, nowMs } = view;
  return {
    kind: "store",
    version,
    generation,
    controller: control && {
      host: control.holder.host,
      epoch: control.epoch,
      leaseMs: Math.max(0, control.expiresMs - nowMs),
    },
  };
}

function changeSeen(view: MeshMoment["view"]): string | undefined {
  if (view === undefined || view instanceof Error) return undefined;
  const { reshard } = view;
  const step = reshardStep(view);
  if (reshard === undefined || step === undefined) return undefined;
  if (step.kind === "done" || step.kind === "cancelled") return undefined;
  return `${numbersText(reshard)}: ${stepText(step)}`;
}

/** A joiner or a trainer, which reads logs, and the place that the store gives it. */
interface ReaderSeen {
  readonly kind: "joiner" | "trainer";
  readonly number: number;
  readonly placement: Placement;
}

/** Joiners first, in the order of their numbers. */
function readersSeen(view: MeshMoment["view"]): ReaderSeen[] {
  const placements = view === undefined || view instanceof Error ? [] : view.placements;
  return [...placements].flatMap(([key, placement]): ReaderSeen[] => {
    const { kind, number } = parsePlacedKey(key);
    if (kind === "shard") return [];
    return [{ kind: kind === "events" ? "joiner" : kind, number, placement }];
  }).sort((a, b) => a.kind.localeCompare(b.kind) || a.number - b.number);
}

function hostsSeen(
  { host: own, hosts, links }: Pick<ConsoleSources, "host" | "hosts" | "links">,
  { interval, view, answeredAtMs, failures }: MeshMoment,
  shards: readonly ShardSeen[],
): HostSeen[] {
  const reasons = new Map(
    links().filter(({ isLinked }) => !isLinked).map(({ host, reason }) => [host, reason]),
  );
  const store = view instanceof Error ? undefined : view;
  const now = interval?.now;
  const resident = now?.by("host", "process_resident_memory_bytes");
  const began = now?.by("host", "process_start_time_seconds");
  const restarts = now?.by("host", "cairn_actor_restarts_total");
  const cores = interval?.rates("host", "process_cpu_seconds_total");
  const readers = readersSeen(view);
  const numbersOn = (host: string, kind: ReaderSeen["kind"]) =>
    store &&
    readers.filter((each) =>
      each.kind === kind && each.placement.state !== "unassigned" &&
      each.placement.owner.host === host
    ).map(({ number }) => number);
  return hosts.map(({ host, roles, address }) => {
    const record = store?.hosts.get(host);
    const unlinked = host !== own && reasons.has(host);
    const beganSeconds = began?.get(host);
    return {
      host,
      roles,
      address,
      state: stateOf({ isUnlinked: unlinked, hasAnswered: answeredAtMs.has(host), record, store }),
      reason: unlinked ? reasons.get(host) : failures.get(host),
      leaseMs: store && record && Math.max(0, record.expiresMs - store.nowMs),
      isController: store?.control?.holder.host === host,
      shards: shards.filter((shard) => shard.host === host).length,
      joiners: numbersOn(host, "joiner"),
      trainers: numbersOn(host, "trainer"),
      residentBytes: resident?.get(host),
      cores: cores?.get(host),
      restarts: restarts?.get(host),
      startedAtMs: beganSeconds === undefined ? undefined : beganSeconds * 1000,
      answeredAtMs: answeredAtMs.get(host),
    };
  });
}

function stateOf(
  { isUnlinked, hasAnswered, record, store }: {
    readonly isUnlinked: boolean;
    readonly hasAnswered: boolean;
    readonly record: HostRecord | undefined;
    readonly store: MeshView | undefined;
  },
): HostStateSeen {
  if (isUnlinked) return "lost";
  if (store === undefined) return hasAnswered ? "live" : "unknown";
  if (record === undefined) return "joining";
  if (record.expiresMs <= store.nowMs) return "lost";
  return record.state === "draining" ? "draining" : "live";
}

function shardsSeen(
  { interval, view, lastView }: MeshMoment,
  hosts: readonly ConfiguredHost[],
): ShardSeen[] {
  // Nothing moves while the store is away, so its last answer still holds.
  const placements = (view instanceof Error ? lastView : view)?.placements;
  const now = interval?.now;
  const read = (name: string) => now?.by("shard", name) ?? new Map<string, number>();
  const rows = read("cairn_shard_rows");
  const bytes = read("cairn_shard_bytes");
  const bytesMax = read("cairn_shard_bytes_max");
  const load = read("cairn_shard_load");
  const touched = read("cairn_shard_touched");
  const served = now?.leastBy("shard", "cairn_replica_rows");
  const evicted = interval?.rates("shard", "cairn_shard_updates_total", { outcome: ["evicted"] });
  const placed = [...placements ?? []].filter(([key]) => key.startsWith("shard/"))
    .map(([key]) => key.slice("shard/".length));
  return [...new Set([...placed, ...rows.keys()])]
    .sort((a, b) => Number(a) - Number(b))
    .map((shard) => ({
      shard,
      ...placementSeen(placements?.get(`shard/${Number(shard)}`), () => hostOf(shard)),
      rows: rows.get(shard) ?? 0,
      rowsServed: served?.get(shard) ?? 0,
      bytes: bytes.get(shard) ?? 0,
      bytesMax: bytesMax.get(shard) ?? 0,
      evictedPerSecond: evicted?.get(shard) ?? 0,
      load: load.get(shard) ?? 0,
      waiting: touched.get(shard) ?? 0,
    }));

  /** The host that reports the shard, where no store places it. */
  function hostOf(shard: string): string | undefined {
    const reported = now?.by("host", "cairn_shard_bytes_max", { shard: [shard] });
    const owner = [...reported ?? []].find(([, max]) => max > 0)?.[0];
    return owner ?? (hosts.length === 1 ? hosts[0].host : undefined);
  }
}

function placementSeen(
  placement: Placement | undefined,
  fixedHost: () => string | undefined,
): Pick<ShardSeen, "host" | "state" | "epoch" | "move"> {
  if (placement === undefined) {
    return { host: fixedHost(), state: "fixed", epoch: undefined, move: undefined };
  }
  const { state, epoch } = placement;
  return {
    host: placement.state === "unassigned" ? undefined : placement.owner.host,
    state,
    epoch,
    move: placement.state === "moving"
      ? { to: placement.target.host, phase: placement.phase }
      : undefined,
  };
}

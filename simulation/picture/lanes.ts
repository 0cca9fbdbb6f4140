/**
 * The lanes of a run's picture, in order: clients first, then the way of an event through the mesh,
 * then the stores. In a mesh of several hosts, the lanes of each host stand together.
 */
import type { TraceEvent } from "../trace/trace.ts";

/** Lanes that stand together. */
export interface LaneGroup {
  /** Name of the host; undefined for lanes outside of hosts, and where there is one process. */
  readonly host: string | undefined;
  readonly lanes: readonly Lane[];
}

export interface Lane {
  /** As in the trace. */
  readonly name: string;
  /** Without the host. */
  readonly label: string;
}

const LANE_ORDER = [
  "world",
  "operator",
  "client",
  "gateway",
  "ranker",
  "feature_keeper",
  "catalogue",
  "retriever",
  "scorer",
  "serving_replica",
  "row_feed",
  "log/events",
  "joiner",
  "log/examples",
  "trainer",
  "embedding_shard",
  "shard_copy",
  "parameter_sync",
  "snapshotter",
  "redis",
  "placement/",
  "blobs",
];
/** Lanes with this rank and above stand behind the hosts. */
const FIRST_STORE = LANE_ORDER.indexOf("redis");

/** The groups from left to right. */
export function laneGroupsOf(events: readonly TraceEvent[]): LaneGroup[] {
  const names = [...new Set(events.map(({ at }) => at))];
  const hosts = [...new Set(names.flatMap((name) => hostOf(name) ?? []))].sort();
  // A host's own events, such as its start, have the name of the host.
  const lanes = names.map((name) => {
    const host = hostOf(name) ?? (hosts.includes(name) ? name : undefined);
    if (host === undefined || name === host) return { name, label: name, host };
    // As in `edge:serving_replica/0@edge` and `edge:ranker/edge`.
    const label = name.slice(host.length + 1).replace(`@${host}`, "").replace(`/${host}`, "");
    return { name, label, host };
  });
  const sorted = lanes.sort((a, b) =>
    rankOf(a.label) - rankOf(b.label) || (a.name < b.name ? -1 : 1)
  );
  const outside = sorted.filter(({ host }) => host === undefined);
  return [
    {
      host: undefined,
      lanes: outside.filter(({ label }) => hosts.length === 0 || rankOf(label) < FIRST_STORE),
    },
    ...hosts.map((host) => ({ host, lanes: sorted.filter((lane) => lane.host === host) })),
    {
      host: undefined,
      lanes: outside.filter(({ label }) => hosts.length > 0 && rankOf(label) >= FIRST_STORE),
    },
  ].filter((group) => group.lanes.length > 0);
}

/** The host in a lane's name, as in `learn:joiner/0`. */
function hostOf(name: string): string | undefined {
  const colon = name.indexOf(":");
  const slash = name.indexOf("/");
  return colon > 0 && (slash < 0 || colon < slash) ? name.slice(0, colon) : undefined;
}

function rankOf(label: string): number {
  const index = LANE_ORDER.findIndex((prefix) => label.startsWith(prefix));
  return index < 0 ? LANE_ORDER.length : index;
}

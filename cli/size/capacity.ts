/**
 * The capacity sheet: memory, disk, cores, hosts and cost of a load, as a pure function of the
 * load, the configuration's figures and measured coefficients.
 */
import type { ReplicaCount } from "../../mesh/placement/replica_holders.ts";
import type { Coefficients } from "./coefficients.ts";
import type { RowMemory } from "./row_memory.ts";

/** The load to plan for. */
export interface Load {
  readonly items: number;
  readonly users: number;
  readonly rankingsPerSecond: number;
  readonly candidates: number;
  /** Events on each ranking, on average. */
  readonly eventsPerRanking: number;
  /** Ids of all other features together: categories, tags, crosses. */
  readonly otherIds: number;
}

/** A machine to plan with. */
export interface HostSize {
  readonly cores: number;
  readonly memoryBytes: number;
  /** Price of an hour of it, in any currency. */
  readonly pricePerHour: number | undefined;
}

/** The figures of a configuration that the sheet needs. */
export interface PlannedConfiguration {
  readonly itemRow: RowMemory | undefined;
  readonly userRow: RowMemory | undefined;
  readonly otherRow: RowMemory | undefined;
  /** Memory that the training tables claim without rows. */
  readonly emptyTablesBytes: number;
  /** Time for which joiners keep rankings. */
  readonly openSeconds: number;
  /** Time for which gateways know rankings and events of each other; absent without Redis. */
  readonly knownSeconds?: number;
  /** Share of the items without an action that become examples. */
  readonly negativeShare: number;
  readonly tablesBytesMax: number;
  readonly openBytesMax: number;
  readonly logBytesMax: number;
  readonly snapshotsRetained: number;
  readonly cachesBytesMax: number;
  /** Serving hosts that hold a row: all of them, or so many. */
  readonly servingReplicas: ReplicaCount;
  readonly shards: number;
}

export interface Capacity {
  readonly rows: number;
  readonly examplesPerSecond: number;
  /** By part, bytes. */
  readonly memory: Readonly<Record<MemoryPart, number>>;
  readonly memoryBytes: number;
  /** Memory of the Redis server, bytes; absent without one. */
  readonly redis?: {
    readonly logsMax: number;
    /** Keys by which gateways know rankings and events of each other. */
    readonly known: number;
  };
  readonly disk: {
    /** Written in a day; the logs are trimmed as they are learned. */
    readonly writtenPerDay: number;
    readonly logsMax: number;
    readonly snapshots: number;
    readonly profiles: number;
  };
  /** Core seconds a second, by part. */
  readonly cores: { readonly serving: number; readonly learning: number };
  readonly hosts: {
    readonly serving: number;
    readonly learning: number;
    readonly all: number;
    /** Whether one process on one host does all of it. */
    readonly isOneProcess: boolean;
    /** Why no host is large enough, with the remedy; absent where one is. */
    readonly problem?: string;
  };
  /** Core hours and price of a million rankings; the price is absent without one of the host. */
  readonly perMillion: {
    readonly coreHours: number;
    readonly hostHours: number;
    readonly price?: number;
  };
  /** Limits of the configuration that the load exceeds, with the remedy. */
  readonly warnings: readonly string[];
}

export type MemoryPart =
  | "process"
  | "working memory"
  | "training tables"
  | "serving tables"
  | "open rankings"
  | "caches";

/** Share of a host's cores and of its memory that is planned with: bursts need the rest. */
const CORES_SHARE = 0.6;
const MEMORY_SHARE = 0.75;
/** Memory of the keys by which gateways know a ranking, each of its items, and an event. */
const [KNOWN_RANKING_BYTES, KNOWN_ITEM_BYTES, KNOWN_EVENT_BYTES] = [200, 4, 300];
const DAY_SECONDS = 86_400;
const HOUR_SECONDS = 3_600;

export function capacityOf(
  load: Load,
  planned: PlannedConfiguration,
  host: HostSize,
  measured: Coefficients,
): Capacity {
  const { items, users, otherIds, rankingsPerSecond, candidates, eventsPerRanking } = load;
  const counted = [
    { rows: items, row: planned.itemRow },
    { rows: users, row: planned.userRow },
    { rows: otherIds, row: planned.otherRow },
  ].flatMap(({ rows, row }) => row === undefined ? [] : [{ rows, row }]);
  const sum = (valueOf: (entry: typeof counted[number]) => number) =>
    counted.reduce((total, entry) => total + valueOf(entry), 0);
  const rows = sum(({ rows }) => rows);
  const events = rankingsPerSecond * eventsPerRanking;
  const passive = Math.max(0, candidates - eventsPerRanking);
  const examplesPerSecond = events + rankingsPerSecond * passive * planned.negativeShare;
  const rankingBytes = measured.rankingLogBytes + candidates * measured.candidateLogBytes;
  const openBytes = rankingsPerSecond * planned.openSeconds * rankingBytes;
  const trainingTables = planned.emptyTablesBytes +
    sum(({ rows, row }) => rows * row.trainingBytes);
  const servingTables = sum(({ rows, row }) => rows * row.servingBytes);
  const memory = {
    process: measured.processBytes,
    "working memory": measured.workingBytes,
    "training tables": Math.min(trainingTables, planned.tablesBytesMax),
    "serving tables": servingTables,
    "open rankings": Math.min(openBytes, planned.openBytesMax),
    caches: Math.min(planned.cachesBytesMax, items * measured.profileBytes),
  };
  const memoryBytes = Object.values(memory).reduce((total, bytes) => total + bytes, 0);
  const cores = {
    serving: (rankingsPerSecond *
        (measured.rankingMicros + candidates * measured.candidateMicros) +
      events * measured.eventMicros) / 1e6,
    learning: examplesPerSecond * measured.exampleMicros / 1e6,
  };
  const { knownSeconds, logBytesMax } = planned;
  const knownBytes = rankingsPerSecond * (KNOWN_RANKING_BYTES + candidates * KNOWN_ITEM_BYTES) +
    events * KNOWN_EVENT_BYTES;
  const hosts = hostsFor({ memory, memoryBytes, cores, ...planned }, host, measured);
  const hostHours = hosts.all / (rankingsPerSecond * HOUR_SECONDS) * 1e6;
  return {
    rows,
    examplesPerSecond,
    memory,
    memoryBytes,
    ...(knownSeconds !== undefined && {
      redis: { logsMax: 2 * logBytesMax, known: knownSeconds * knownBytes },
    }),
    disk: {
      writtenPerDay: DAY_SECONDS * (rankingsPerSecond * rankingBytes +
        events * measured.eventLogBytes + examplesPerSecond * measured.exampleLogBytes),
      logsMax: 2 * logBytesMax,
      snapshots: (planned.snapshotsRetained + 1) * memory["training tables"],
      profiles: (items + users) * measured.profileBytes,
    },
    cores,
    hosts,
    perMillion: {
      coreHours: (cores.serving + cores.learning) / (rankingsPerSecond * HOUR_SECONDS) * 1e6,
      hostHours,
      ...(host.pricePerHour !== undefined && { price: hostHours * host.pricePerHour }),
    },
    warnings: warningsOf(planned, { trainingTables, openBytes }),
  };
}

function hostsFor(
  { memory, memoryBytes, cores, servingReplicas, shards }:
    & Pick<Capacity, "memory" | "memoryBytes" | "cores">
    & Pick<PlannedConfiguration, "servingReplicas" | "shards">,
  host: HostSize,
  { processBytes, workingBytes }: Coefficients,
): Capacity["hosts"] {
  const usableCores = CORES_SHARE * host.cores;
  const usableBytes = MEMORY_SHARE * host.memoryBytes;
  if (cores.serving + cores.learning <= usableCores && memoryBytes <= usableBytes) {
    return { serving: 1, learning: 0, all: 1, isOneProcess: true };
  }
  // Training tables are dealt to the learning hosts.
  const roomForTables = usableBytes - processBytes - workingBytes - memory.caches;
  // So many shards fit, and the even share of a serving host may be no more.
  const held = Math.max(0, Math.floor(roomForTables / (memory["serving tables"] / shards)));
  const coresNeed = Math.max(1, Math.ceil(cores.serving / usableCores));
  const serving = held >= shards
    ? coresNeed
    : servingReplicas === "all"
    ? Infinity
    : Math.max(coresNeed, Math.ceil(shards * servingReplicas / held));
  if (serving === Infinity) {
    const problem = roomForTables <= 0
      ? "a process and its caches leave no memory for tables; take larger hosts"
      : held > 0
      ? "the serving tables do not fit into one; embeddings.serving.replicas spreads them"
      : `a shard of the serving tables does not fit into one; raise shards.count${
        servingReplicas === "all" ? ", and spread them by embeddings.serving.replicas" : ""
      }`;
    return { serving, learning: Infinity, all: Infinity, isOneProcess: false, problem };
  }
  const forRows = usableBytes - processBytes - workingBytes;
  const learning = Math.max(
    1,
    Math.ceil(cores.learning / usableCores),
    Math.ceil((memory["training tables"] + memory["open rankings"]) / forRows),
  );
  return { serving, learning, all: serving + learning, isOneProcess: false };
}

function warningsOf(
  { tablesBytesMax, openBytesMax, logBytesMax }: PlannedConfiguration,
  { trainingTables, openBytes }: { readonly trainingTables: number; readonly openBytes: number },
): string[] {
  return [
    ...(trainingTables <= tablesBytesMax
      ? []
      : ["The rows do not fit into embeddings.bytesMax: rows are evicted. Raise it."]),
    ...(openBytes <= openBytesMax ? [] : [
      "The open rankings do not fit into joiner.impressionsBytesMax: the oldest are decided early. " +
      "Raise it, or shorten joiner.window and joiner.lateLabels.",
    ]),
    ...(openBytes <= 0.75 * logBytesMax ? [] : [
      "The open rankings fill the event log beyond three quarters. Raise storage.logBytesMax, or " +
      "shorten joiner.window and joiner.lateLabels.",
    ]),
  ];
}

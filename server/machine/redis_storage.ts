/**
 * Opens the stores of `storage.redis`: logs and profiles on a server that several processes share.
 */
import type { SnapshotPublisher } from "../../actors/snapshotter/publisher.ts";
import type { RedisSection } from "../../configuration/sections/redis.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";
import { RedisEventLog } from "../../mesh/adapters/redis/redis_event_log.ts";
import { LogPartitionsError } from "../../mesh/adapters/redis/redis_log_options.ts";
import { RedisUnavailableError } from "../../mesh/adapters/redis/redis_connection.ts";
import { RedisRecordStore } from "../../mesh/adapters/redis/redis_record_store.ts";
import { RedisProfileStore } from "../../mesh/adapters/redis/redis_profile_store.ts";
import { RedisServer, type RedisServerOptions } from "../../mesh/adapters/redis/redis_server.ts";
import { RedisSharedRankings } from "../../mesh/adapters/redis/redis_shared_rankings.ts";
import { capitalized, type RedisTls, remedyOf } from "../../mesh/adapters/redis/redis_client.ts";
import { laterPartition } from "../../records/ranking_partition.ts";
import { OnlyProcess, type OnlyProcessOptions } from "./only_process.ts";
import { reasonOf } from "../../mesh/runtime/errors.ts";
import type { SharedRankings } from "../../mesh/ports/shared_rankings.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import type { ProfileStore } from "../../mesh/ports/profile_store.ts";

/** Time within which a start expects the server, before it says that it waits for it, ms. */
const START_BUDGET_MS = 2_000;

/** The server cannot be used; the operator can do something about it. */
export class RedisStorageError extends Error {
  override readonly name = "RedisStorageError";
}

/** Plain data by which each thread of a process opens the stores. */
export interface RedisStorage {
  readonly server: RedisServerOptions;
  readonly logBytesMax: number;
  /** Partitions of the event log and of the example log. */
  readonly partitions: PartitionCounts;
  readonly profilesCacheBytesMax: number;
  /** Time for which gateways know rankings and event ids of each other, ms. */
  readonly knownMs: number;
}

/** Stores of one process. */
export interface RedisStores {
  readonly eventLog: EventLog;
  readonly exampleLog: EventLog;
  readonly profiles: ProfileStore;
  readonly sharedRankings: SharedRankings;
  /** Present where the process belongs to no mesh, see {@link OnlyProcess.publisher}. */
  readonly publisher?: SnapshotPublisher;
  close(): Promise<void>;
}

/**
 * @param mesh Name of the mesh, where the section gives none.
 * @throws {RedisStorageError} A file of `tls` cannot be read.
 */
export function redisStorageOf(
  {
    url,
    sentinels,
    sentinelPassword,
    tls,
    username,
    password,
    name,
    replicas,
    deadline,
    durableWait,
    profilesCache,
  }: RedisSection,
  mesh: string,
  sizes: Pick<RedisStorage, "logBytesMax" | "partitions" | "knownMs">,
): RedisStorage {
  return {
    server: {
      url,
      ...(sentinels && {
        sentinels: {
          addresses: sentinels,
          ...(sentinelPassword !== undefined && { password: sentinelPassword }),
        },
      }),
      ...(tls && { tls: certificatesOf(tls) }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      mesh: name ?? mesh,
      replicas,
      deadlineMs: deadline,
      durableWaitMs: durableWait,
    },
    profilesCacheBytesMax: profilesCache,
    ...sizes,
  };
}

/** The contents of the files. */
function certificatesOf(files: NonNullable<RedisSection["tls"]>): RedisTls {
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, path]) => path === undefined ? [] : [[name, path]])
      .map(([name, path]) => {
        try {
          return [name, Deno.readTextFileSync(path)];
        } catch (error) {
          throw new RedisStorageError(
            `storage.redis.tls.${name}: cannot read ${path}: ${
              reasonOf(error)
            }. Give the path of a ` +
              "PEM file.",
            { cause: error },
          );
        }
      }),
  );
}

/**
 * Opens all stores.
 *
 * @throws {RedisStorageError} The server does not answer, or its log has other partitions.
 * @throws {HostsRunError} Hosts of a mesh use the logs, and the process belongs to none.
 * @throws {ProcessRunsError} Another process does that belongs to no mesh.
 * @throws {UnsafeRedisError} The server would lose data.
 * @throws {LogTailLostError} The server has lost records that were handled.
 */
export async function openRedisStores(
  storage: RedisStorage,
  { isOnlyProcess, leaseMs, onWarning, onReplaced = () => {} }: {
    /** Whether the process belongs to no mesh. */
    readonly isOnlyProcess: boolean;
    /** Length of a host's lease, ms. */
    readonly leaseMs?: number;
    /** Takes settings of the server that an operator should know of. */
    readonly onWarning: (warning: string) => void;
    /** Others write the logs of the only process: it must stop. */
    readonly onReplaced?: ((error: Error) => void) | undefined;
  },
): Promise<RedisStores> {
  await using opened = new AsyncDisposableStack();
  const server = opened.adopt(
    await openServer({ server: { openBudgetMs: START_BUDGET_MS, ...storage.server } }),
    (server) => Promise.resolve(server.close()),
  );
  const lease = isOnlyProcess
    ? opened.adopt(
      await openOnlyProcess(server, { onWarning, onReplaced }),
      (lease) => lease.close(),
    )
    : undefined;
  const { warnings, maxmemoryBytes } = server.facts;
  for (const warning of warnings) onWarning(warning);
  if (maxmemoryBytes > 0 && 2 * storage.logBytesMax > maxmemoryBytes) {
    onWarning(
      `The Redis at ${server.url} has a maxmemory of ${maxmemoryBytes} bytes, and two logs of up to ` +
        `storage.logBytesMax (${storage.logBytesMax}) are kept there: it refuses events before the logs do. ` +
        "Raise its maxmemory, or lower storage.logBytesMax.",
    );
  }
  const writer = crypto.randomUUID();
  const openLog = (name: keyof PartitionCounts, key: string) =>
    RedisEventLog.open({
      server,
      name,
      partitions: storage.partitions[name],
      // A mesh keeps its number, whatever the files of its hosts say.
      keepsPartitions: !isOnlyProcess,
      bytesMax: storage.logBytesMax,
      writer,
      idsRetainedMs: storage.knownMs,
      ...(name === "events" && { partitionOf: laterPartition }),
    }).catch((error) => {
      throw partitionsError(error, key);
    });
  // Both at once: each may wait for a replica that is away.
  const logs = opened.adopt(
    [] as RedisEventLog[],
    async (logs) => void await Promise.all(logs.map((log) => log.close())),
  );
  const eventLog = await openLog("events", "joiner.partitions");
  logs.push(eventLog);
  const exampleLog = await openLog("examples", "trainer.partitions");
  logs.push(exampleLog);
  const profiles = opened.adopt(
    await RedisProfileStore.open({
      server,
      writer,
      cacheBytesMax: storage.profilesCacheBytesMax,
    }),
    (profiles) => profiles.close(),
  );
  const sharedRankings = opened.adopt(
    new RedisSharedRankings({
      server,
      eventLog,
      retainedMs: storage.knownMs,
      ...(isOnlyProcess && { sharingMs: 0 }),
      ...(leaseMs !== undefined && { leaseMs }),
    }),
    (rankings) => rankings.close(),
  );
  const all = opened.move();
  return {
    eventLog,
    exampleLog,
    profiles,
    sharedRankings,
    ...(lease && { publisher: lease.publisher }),
    close: () => all.disposeAsync(),
  };
}

/**
 * Opens the example log alone, as a thread does that trains, with the partitions that it has by
 * now.
 */
export async function openRedisExampleLog(storage: RedisStorage): Promise<EventLog> {
  const server = await openServer({ server: { openBudgetMs: START_BUDGET_MS, ...storage.server } });
  try {
    return await openExamples(server, storage);
  } catch (error) {
    server.close();
    throw error;
  }
}

function openOnlyProcess(
  server: RedisServer,
  notices: Pick<OnlyProcessOptions, "onWarning" | "onReplaced">,
): Promise<OnlyProcess> {
  const openStore = () => new RedisRecordStore(server);
  return OnlyProcess.open({ openStore, clock: new DenoClock(), ...notices });
}

export interface RedisExamples {
  readonly exampleLog: EventLog;
  close(): Promise<void>;
}

/**
 * Opens the example log alone, for a command.
 *
 * @throws {RedisStorageError} The server does not answer, or its log has other partitions.
 */
export async function openRedisExamples(storage: RedisStorage): Promise<RedisExamples> {
  await using opened = new AsyncDisposableStack();
  const server = opened.adopt(
    await openServer(storage),
    (server) => Promise.resolve(server.close()),
  );
  const exampleLog = opened.adopt(
    await openExamples(server, storage).catch((error) => {
      throw partitionsError(error, "trainer.partitions");
    }),
    (log) => log.close(),
  );
  const all = opened.move();
  return { exampleLog, close: () => all.disposeAsync() };
}

/**
 * Takes the logs for a command that must be the only process on them.
 *
 * @param onWarning Takes why it waits.
 * @throws {RedisStorageError} The server does not answer.
 * @throws {HostsRunError | ProcessRunsError} Hosts or another process use the logs.
 */
export async function takeRedisLogs(
  storage: RedisStorage,
  onWarning: (warning: string) => void,
): Promise<Pick<OnlyProcess, "prolong" | "close">> {
  const server = await openServer(storage);
  try {
    // Who takes them over is told by `prolong`.
    const lease = await openOnlyProcess(server, { onWarning, onReplaced: () => {} });
    return {
      prolong: () => lease.prolong(),
      close: () => lease.close().finally(() => server.close()),
    };
  } catch (error) {
    server.close();
    throw error;
  }
}

function openExamples(server: RedisServer, storage: RedisStorage): Promise<RedisEventLog> {
  return openLog(server, storage, "examples");
}

function openLog(
  server: RedisServer,
  { partitions, logBytesMax }: RedisStorage,
  name: keyof PartitionCounts,
): Promise<RedisEventLog> {
  return RedisEventLog.open({
    server,
    name,
    partitions: partitions[name],
    keepsPartitions: true,
    bytesMax: logBytesMax,
    writer: crypto.randomUUID(),
  });
}

/**
 * Connects to the server.
 *
 * @throws {RedisStorageError} It does not answer; the message says what to do.
 */
export async function openServer({ server }: Pick<RedisStorage, "server">): Promise<RedisServer> {
  try {
    return await RedisServer.open(server);
  } catch (error) {
    if (!(error instanceof RedisUnavailableError)) throw error;
    const remedy = remedyOf(error);
    throw new RedisStorageError(
      `Cannot reach the Redis at ${error.url}: ${error.message.replace(/\.$/, "")}. ${
        remedy === undefined ? "Start it, or correct storage.redis" : capitalized(remedy)
      }.`,
      { cause: error },
    );
  }
}

/**
 * Rewords a mismatch of a log's partitions in the words of the configuration.
 *
 * @param key The key of their number.
 */
function partitionsError(error: unknown, key: string): unknown {
  if (!(error instanceof LogPartitionsError)) return error;
  const { log, found, asked, isSealed } = error;
  if (isSealed) {
    return new RedisStorageError(
      `A mesh has changed the number of partitions of the log ${log}, and one process cannot go on ` +
        "with them. Start the hosts of the mesh by cairn node, or set storage.redis.name to another " +
        "name.",
      { cause: error },
    );
  }
  return new RedisStorageError(
    `${key} is ${asked}, and the log ${log} has ${found}: a ranking stays in its partition, so one ` +
      `process keeps their number. Set ${key} to ${found}, or storage.redis.name to another name.`,
    { cause: error },
  );
}

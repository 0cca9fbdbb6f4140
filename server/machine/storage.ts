/**
 * Opens the configured stores of logs, profiles and snapshots, in the main thread and in worker
 * threads.
 */
import type { StorageSection } from "../../configuration/sections/mesh.ts";
import type { RedisSection } from "../../configuration/sections/redis.ts";
import { DenoClock } from "../../mesh/adapters/deno/deno_clock.ts";
import {
  DataDirectoryError,
  openDataDirectory,
} from "../../mesh/adapters/embedded/data_directory.ts";
import { makeDirectory } from "../../mesh/adapters/embedded/durable_directory.ts";
import { EmbeddedEventLog } from "../../mesh/adapters/embedded/embedded_event_log.ts";
import { createLogEnds, SharedLogEnds } from "../../mesh/adapters/embedded/log_ends.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";
import { PartitionCountError } from "../../mesh/adapters/embedded/log_header.ts";
import { writeInThread } from "../../mesh/adapters/embedded/profile_thread.ts";
import { SqliteProfileStore } from "../../mesh/adapters/embedded/sqlite_profile_store.ts";
import type { S3Options } from "../../mesh/adapters/s3/s3_blob_store.ts";
import { makeTemporaryDirectory } from "../../mesh/adapters/embedded/temporary_directory.ts";
import type { TornTail } from "../../mesh/adapters/embedded/segment_recovery.ts";
import type { MeshStores } from "../environment.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import { blobsOf, type SharedStorage } from "./shared_storage.ts";

export interface MeshStorage extends MeshStores {
  /**
   * Opens the stores for reading in other threads; undefined where storage is this thread's memory.
   */
  readonly shared: SharedStorage | undefined;
  close(): Promise<void>;
}

/** The storage of a host that keeps shards and reads no log. */
export type BlobStorage =
  & Pick<MeshStorage, "blobs" | "shared" | "close">
  & Partial<Record<"eventLog" | "exampleLog" | "profiles", undefined>>;

export interface OpenStorageOptions {
  readonly storage: StorageSection;
  /** Name of the mesh among those that share a server. */
  readonly mesh: string;
  /** Whether the process belongs to no mesh. */
  readonly isOnlyProcess: boolean;
  /** Time for which gateways know rankings and event ids of each other, ms. */
  readonly knownMs: number;
  /** Length of a host's lease, ms; absent without a mesh. */
  readonly leaseMs?: number;
  /** Whether another process may get events on rankings of this one. Default true. */
  readonly sharesRankings?: boolean;
  /** Partitions of the event log and of the example log. */
  readonly partitions: PartitionCounts;
  /**
   * Whether other threads read the stores. Logs in memory cannot be shared, so `memory` then means
   * a temporary directory that is removed when the mesh stops.
   */
  readonly manyThreads: boolean;
  /** Called for each log partition whose torn tail was truncated. */
  readonly onTornTail?: (tail: TornTail) => void;
  /** Called with the file of the profiles where it lacks in a directory that was used before. */
  readonly onProfilesMissing?: (path: string) => void;
  /** Takes settings of a storage server that an operator should know of. */
  readonly onWarning?: (warning: string) => void;
  /** Others write the logs of the only process on a server: it must stop. */
  readonly onReplaced?: ((error: Error) => void) | undefined;
}

/** Opens the stores of the mesh. */
export async function openStorage(options: OpenStorageOptions): Promise<MeshStorage> {
  const { storage, partitions, manyThreads } = options;
  if (storage.kind === "directory") {
    return storage.redis
      ? await openRedis(storage.path, storage.redis, options)
      : await openDirectory(storage.path, options, "disk");
  }
  if (!manyThreads) return openMemory(partitions, storage);
  const path = makeTemporaryDirectory(new DenoClock().nowMs());
  const opened = await openDirectory(path, options, "process");
  return {
    ...opened,
    async close() {
      await opened.close();
      Deno.removeSync(path, { recursive: true });
    },
  };
}

/** The snapshots in a data directory whose logs belong to another host. */
export async function openBlobStorage(
  { path, s3 }: Extract<StorageSection, { kind: "directory" }>,
): Promise<BlobStorage> {
  return {
    blobs: await blobsOf(path, s3),
    shared: { path, ...(s3 && { s3 }), examples: undefined },
    close: () => Promise.resolve(),
  };
}

function openMemory(
  partitions: PartitionCounts,
  { logBytesMax: bytesMax, profilesBytesMax }: StorageSection,
): MeshStorage {
  const eventLog = new MemoryEventLog({ name: "events", partitions: partitions.events, bytesMax });
  const exampleLog = new MemoryEventLog({
    name: "examples",
    partitions: partitions.examples,
    bytesMax,
  });
  const profiles = new MemoryProfileStore(new DenoClock(), profilesBytesMax);
  return {
    eventLog,
    exampleLog,
    profiles,
    blobs: new MemoryBlobStore(),
    shared: undefined,
    close: () =>
      Promise.all([eventLog.close(), exampleLog.close(), profiles.close()]).then(() => {}),
  };
}

/**
 * Logs and profiles on a server, snapshots in the directory, which several processes may share and
 * none locks.
 */
async function openRedis(
  path: string,
  section: RedisSection,
  options: OpenStorageOptions,
): Promise<MeshStorage> {
  const { storage, mesh, knownMs, sharesRankings = true, partitions } = options;
  const { isOnlyProcess, leaseMs, onReplaced, onWarning = () => {} } = options;
  const s3 = s3Of(storage);
  const { openRedisStores, redisStorageOf } = await import("./redis_storage.ts");
  const redis = redisStorageOf(section, mesh, {
    logBytesMax: storage.logBytesMax,
    partitions,
    knownMs,
  });
  makeDirectory(path);
  const blobs = await blobsOf(path, s3);
  const stores = await openRedisStores(redis, {
    isOnlyProcess,
    onWarning,
    onReplaced,
    ...(leaseMs !== undefined && { leaseMs }),
  });
  const { sharedRankings, ...others } = stores;
  return {
    ...others,
    ...(sharesRankings && { sharedRankings }),
    blobs,
    shared: { path, redis, ...(s3 && { s3 }), examples: undefined },
  };
}

async function openDirectory(
  path: string,
  { storage, partitions, onTornTail, onProfilesMissing }: OpenStorageOptions,
  durability: "disk" | "process",
): Promise<MeshStorage> {
  // When a later store cannot be opened, the earlier ones are closed again, the lock last.
  await using opened = new AsyncDisposableStack();
  opened.adopt(openDataDirectory(path), (directory) => directory.release());
  const profilesPath = `${path}/profiles.db`;
  if (isFile(`${path}/events/log.json`) && !isFile(profilesPath)) onProfilesMissing?.(profilesPath);
  const exampleLogEnds = createLogEnds(partitions.examples);
  const common = {
    bytesMax: storage.logBytesMax,
    durability,
    mode: "write",
    ...(onTornTail && { onTornTail }),
  } as const;
  const eventLog = opened.adopt(
    await EmbeddedEventLog.open({
      ...common,
      partitions: partitions.events,
      directory: `${path}/events`,
    }).catch((error) => {
      throw partitionsError(error, "joiner.partitions");
    }),
    (log) => log.close(),
  );
  const exampleLog = opened.adopt(
    await EmbeddedEventLog.open({
      ...common,
      partitions: partitions.examples,
      directory: `${path}/examples`,
      ends: new SharedLogEnds(exampleLogEnds),
    }).catch((error) => {
      throw partitionsError(error, "trainer.partitions");
    }),
    (log) => log.close(),
  );
  const profiles = opened.adopt(
    new SqliteProfileStore({
      path: profilesPath,
      clock: new DenoClock(),
      bytesMax: storage.profilesBytesMax,
      openWriter: writeInThread,
    }),
    (store) => store.close(),
  );
  const all = opened.move();
  const s3 = s3Of(storage);
  return {
    eventLog,
    exampleLog,
    profiles,
    blobs: await blobsOf(path, s3),
    shared: {
      path,
      ...(s3 && { s3 }),
      examples: { partitions: partitions.examples, ends: exampleLogEnds },
    },
    close: () => all.disposeAsync(),
  };
}

/**
 * Rewords a mismatch of a log's partitions in the words of the configuration.
 *
 * @param key The key of their number.
 */
function partitionsError(error: unknown, key: string): unknown {
  if (!(error instanceof PartitionCountError)) return error;
  const { directory, found, asked } = error;
  return new DataDirectoryError(
    `${key} is ${asked}, and ${directory} was written with ${found}: a ranking stays in its partition, so ` +
      `their number stays. Set ${key} to ${found}, or storage.path to an empty directory.`,
    { cause: error },
  );
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function s3Of(storage: StorageSection): S3Options | undefined {
  return storage.kind === "directory" ? storage.s3 : undefined;
}

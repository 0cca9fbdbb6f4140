/**
 * The example log that a restored snapshot is put under: in the data directory, or on the server of
 * `storage.redis`; with the records of its mesh.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { StorageSection } from "../../configuration/sections/mesh.ts";
import type { RedisSection } from "../../configuration/sections/redis.ts";
import { openDataDirectory } from "../../mesh/adapters/embedded/data_directory.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { isFile, openExistingExamples } from "../../offline/data_directory/existing_stores.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import {
  openRedisExamples,
  type RedisStorage,
  redisStorageOf,
  takeRedisLogs,
} from "../../server/machine/redis_storage.ts";
import { InvariantError } from "../../structures/invariant.ts";
import type { FoundPlaces } from "../data_places.ts";
import { CommandError, usageError } from "../errors.ts";

export interface RestoredExamples {
  /** Undefined where no server has used the directory. */
  readonly exampleLog: EventLog | undefined;
  /** Whether the log may have got more partitions since a snapshot. */
  readonly partitionsGrow: boolean;
  /** The records of a mesh on Redis; undefined before its first host has joined. */
  readonly view?: MeshView | undefined;
  close(): Promise<void>;
}

/** The log of a stopped server, which cannot start until it is closed. */
export interface HeldExamples extends RestoredExamples {
  /** @throws {HostsRunError | ProcessRunsError} Others have taken the logs meanwhile. */
  requireHeld(): Promise<void>;
}

/**
 * Opens the log of a stopped server, and holds the lock of its directory, or the lease on its logs,
 * until it is closed.
 *
 * @param onWarning Takes why it waits: a server was killed.
 * @throws {DataDirectoryError} When a server runs on the directory.
 * @throws {HostsRunError | ProcessRunsError} When hosts or a server run on the logs on Redis.
 * @throws {CommandError} When the log is neither in the folder nor named.
 */
export async function openRestoredExamples(
  { directory, configuration }: FoundPlaces,
  target: BlobStore,
  onWarning: (warning: string) => void,
): Promise<HeldExamples> {
  const storage = configuration?.storage;
  await using opened = new AsyncDisposableStack();
  if (configuration && storage?.kind === "directory" && storage.redis) {
    const { redis } = storage;
    const lease = opened.adopt(
      await takeRedisLogs(redisLogsOf(configuration, storage, redis), onWarning),
      (lease) => lease.close(),
    );
    const onRedis = opened.adopt(
      await openExamplesOnRedis(configuration, storage, redis),
      (examples) => examples.close(),
    );
    const all = opened.move();
    return { ...onRedis, requireHeld: () => lease.prolong(), close: () => all.disposeAsync() };
  }
  opened.adopt(openDataDirectory(directory), (lock) => lock.release());
  const exampleLog = await openExistingExamples(directory);
  if (exampleLog === undefined) await requireLogHere(directory, target);
  else opened.adopt(exampleLog, (log) => log.close());
  const all = opened.move();
  return {
    exampleLog,
    partitionsGrow: false,
    requireHeld: () => Promise.resolve(),
    close: () => all.disposeAsync(),
  };
}

/**
 * Without the log's positions the trainers would begin at its first record. A server with logs in
 * its directory has profiles there too, also where its logs were lost and deleted.
 */
async function requireLogHere(directory: string, target: BlobStore): Promise<void> {
  const manifests = await readManifests(target);
  const hasLog = manifests.some(({ trainers }) => trainers.some(({ offset }) => offset > 0));
  if (!hasLog || await isFile(`${directory}/profiles.db`)) return;
  throw usageError(
    `The logs of these snapshots are not in ${directory}. Where they are on Redis, give the ` +
      "configuration of the server, or of the mesh, in place of the folder; else run the command " +
      "on the machine that has them.",
  );
}

/**
 * Opens the log of a server or a mesh that may run.
 *
 * @throws {CommandError | RedisStorageError} When the server does not answer.
 */
export async function openExamplesOnRedis(
  configuration: CairnConfiguration,
  storage: StorageSection,
  redis: RedisSection,
): Promise<RestoredExamples> {
  const { mesh } = configuration;
  const view = mesh && await readMesh(configuration);
  const opened = await openRedisExamples(redisLogsOf(configuration, storage, redis));
  return { ...opened, partitionsGrow: mesh !== undefined, view };
}

function redisLogsOf(
  { mesh, partitions }: CairnConfiguration,
  { logBytesMax }: StorageSection,
  redis: RedisSection,
): RedisStorage {
  return redisStorageOf(redis, mesh?.id ?? "cairn", { logBytesMax, partitions, knownMs: 0 });
}

/** The records of a mesh; undefined before its first host has joined. */
async function readMesh(configuration: CairnConfiguration): Promise<MeshView | undefined> {
  const { coordination, close } = await openCoordination(configuration).catch((error: Error) => {
    throw new CommandError(error.message);
  });
  try {
    return await coordination.read();
  } catch (error) {
    if (!(error instanceof InvariantError)) throw error;
    return undefined;
  } finally {
    await close();
  }
}

/**
 * The example log that a restored snapshot is put under: in the data directory, or on the server of
 * `storage.redis`.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import type { EventLog } from "../../mesh/ports/event_log.ts";
import { isFile, openExistingExamples } from "../../offline/data_directory/existing_stores.ts";
import { readManifests } from "../../records/snapshot_manifest.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import { openRedisExamples, redisStorageOf } from "../../server/machine/redis_storage.ts";
import { InvariantError } from "../../structures/invariant.ts";
import { CommandError, usageError } from "../errors.ts";
import { loadConfiguration } from "../load_configuration.ts";

export interface RestoredExamples {
  /** Undefined where no server has used the directory. */
  readonly exampleLog: EventLog | undefined;
  /** Whether the log may have got more partitions since a snapshot. */
  readonly partitionsGrow: boolean;
  close(): Promise<void>;
}

/**
 * Opens the log of a stopped server.
 *
 * @param config The server's configuration where its logs are on Redis; else undefined.
 * @throws {CommandError} When hosts of the mesh run, or the log is neither in the folder nor named.
 */
export async function openRestoredExamples(
  folder: string,
  target: BlobStore,
  config: string | undefined,
): Promise<RestoredExamples> {
  if (config !== undefined) return await openOnRedis(config);
  const log = await openExistingExamples(folder);
  if (log === undefined) await requireLogHere(folder, target);
  return { exampleLog: log, partitionsGrow: false, close: async () => await log?.close() };
}

/**
 * Without the log's positions the trainers would begin at its first record. A server with logs in
 * its directory has profiles there too, also where its logs were lost and deleted.
 */
async function requireLogHere(folder: string, target: BlobStore): Promise<void> {
  const manifests = await readManifests(target);
  const hasLog = manifests.some(({ trainers }) => trainers.some(({ offset }) => offset > 0));
  if (!hasLog || await isFile(`${folder}/profiles.db`)) return;
  throw usageError(
    `The logs of ${folder} are not in it. If they are on Redis, name the configuration of the ` +
      "server, or of the mesh: --config mesh.yaml.",
  );
}

async function openOnRedis(config: string): Promise<RestoredExamples> {
  const configuration = await loadConfiguration(config, undefined, { serves: false });
  const { mesh, storage, partitions } = configuration;
  if (storage.kind !== "directory" || storage.redis === undefined) {
    throw usageError(
      `${config} has no storage.redis: its logs are in the data directory. Leave --config out.`,
    );
  }
  if (mesh !== undefined) await requireStopped(configuration);
  const opened = await openRedisExamples(redisStorageOf(storage.redis, mesh?.id ?? "cairn", {
    logBytesMax: storage.logBytesMax,
    partitions,
    knownMs: 0,
  }));
  return { ...opened, partitionsGrow: mesh !== undefined };
}

/** @throws {CommandError} When a host of the mesh has a lease. */
async function requireStopped(configuration: CairnConfiguration): Promise<void> {
  const { coordination, close } = await openCoordination(configuration).catch((error: Error) => {
    throw new CommandError(error.message);
  });
  try {
    const { hosts, nowMs } = await coordination.read();
    const running = [...hosts.values()].filter(({ expiresMs }) => expiresMs > nowMs);
    if (running.length === 0) return;
    throw new CommandError(
      `Hosts of the mesh run: ${running.map(({ host }) => host).join(", ")}. Stop all of them ` +
        "first; a host that was killed counts as running until its lease ends.",
    );
  } catch (error) {
    // No host has joined: the server is a new one.
    if (!(error instanceof InvariantError)) throw error;
  } finally {
    await close();
  }
}

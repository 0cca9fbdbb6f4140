/**
 * The coordination store of a mesh whose logs are on Redis: hosts, leases, and the owner of every
 * shard.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { DenoRandom } from "../../mesh/adapters/deno/deno_random.ts";
import { requireNoLostRecords } from "../../mesh/adapters/redis/lost_records.ts";
import { RedisRecordStore } from "../../mesh/adapters/redis/redis_record_store.ts";
import type { Coordination } from "../../mesh/ports/coordination.ts";
import { Coordinator } from "../../mesh/runtime/coordination/coordinator.ts";
import type { PartitionCounts } from "../../mesh/ports/partitioning.ts";
import { openRedisExamples, openServer, redisStorageOf } from "./redis_storage.ts";

/** The configuration has no coordination store; the message says what to set. */
export class NoCoordinationError extends Error {
  override readonly name = "NoCoordinationError";
}

export interface OpenedCoordination {
  readonly coordination: Coordination;
  /**
   * Opens the example log.
   *
   * @param partitions The numbers of partitions of the mesh's logs.
   */
  openExamples(partitions: PartitionCounts): ReturnType<typeof openRedisExamples>;
  /** @throws {RecordsLostError} The store has lost records that a process of the mesh knows. */
  requireNoLostRecords(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Connects to the store.
 *
 * @param openBudgetMs Time for which a server that does not answer is tried again.
 * @throws {NoCoordinationError} There is none.
 * @throws {RedisStorageError} The server does not answer.
 */
export async function openCoordination(
  configuration: CairnConfiguration,
  openBudgetMs?: number,
): Promise<OpenedCoordination> {
  const { mesh, storage } = configuration;
  if (mesh === undefined) {
    throw new NoCoordinationError(
      "The configuration has no section mesh: one process runs everything, and its shards stay in " +
        "its threads. A change of shards.count, trainer.count or placement is applied by a restart.",
    );
  }
  if (storage.kind !== "directory" || storage.redis === undefined) {
    throw new NoCoordinationError(
      "The hosts of this mesh have no common store, so each keeps the shards that the order of " +
        "mesh.hosts gives it. Set storage.redis to the address of a Redis or Valkey server: then " +
        "shards move between hosts while they serve.",
    );
  }
  const sizes = { logBytesMax: 0, partitions: { events: 1, examples: 1 }, knownMs: 0 };
  const redis = redisStorageOf(storage.redis, mesh.id, sizes);
  const server = await openServer({
    server: { ...redis.server, ...(openBudgetMs !== undefined && { openBudgetMs }) },
  });
  const store = new RedisRecordStore(server);
  const coordination = new Coordinator({
    store,
    random: new DenoRandom(),
    hostTtlMs: mesh.leaseMs,
    controlTtlMs: mesh.leaseMs,
  });
  return {
    coordination,
    openExamples: (partitions) => openRedisExamples({ ...redis, partitions }),
    requireNoLostRecords: () => requireNoLostRecords(server),
    async close() {
      await store.close();
      server.close();
    },
  };
}

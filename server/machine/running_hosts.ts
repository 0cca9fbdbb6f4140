/**
 * The hosts of a mesh on a Redis server, as a process sees them that belongs to no mesh: two
 * writers of one log would refuse each other's records.
 */
import { RedisRecordStore } from "../../mesh/adapters/redis/redis_record_store.ts";
import type { RedisServer } from "../../mesh/adapters/redis/redis_server.ts";
import { records } from "../../mesh/runtime/coordination/record_keys.ts";

/** Hosts of a mesh run, and one process was to use its logs. */
export class HostsRunError extends Error {
  override readonly name = "HostsRunError";
  constructor(hosts: readonly string[], url: string, leasesEndMs: number) {
    super(
      `Cannot use the logs on ${url}: hosts of a mesh run on them (${hosts.join(", ")}), and the ` +
        "configuration has no section mesh. Stop them first; a host that was killed counts for " +
        `${
          Math.ceil(leasesEndMs / 1_000)
        } s more. For logs of its own, give this process another ` +
        "storage.redis.name.",
    );
  }
}

/** @throws {HostsRunError} A host of the mesh under the server's name has a lease. */
export async function requireNoHosts(server: RedisServer): Promise<void> {
  const store = new RedisRecordStore(server);
  try {
    const { hosts, nowMs } = await store.transact((view) => {
      return { hosts: records.hosts(view), nowMs: view.nowMs };
    });
    const running = hosts.filter(({ expiresMs }) => expiresMs > nowMs);
    if (running.length === 0) return;
    const endMs = Math.max(...running.map(({ expiresMs }) => expiresMs));
    throw new HostsRunError(running.map(({ host }) => host), server.url, endMs - nowMs);
  } finally {
    await store.close();
  }
}

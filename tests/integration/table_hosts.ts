/**
 * A mesh of real processes over a real Redis or Valkey server, with hosts for the shards alone.
 */
import assert from "node:assert/strict";
import type { ServerProgram } from "../../mesh/adapters/redis/local_server.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";
import type { Client } from "./small_mesh.ts";

/** A mesh of three processes: `edge` serves and learns, `tables-1` and `tables-2` have shards. */
export interface TableHosts extends Pick<HostsOnRedis, "processes" | "store"> {
  readonly client: Client;
  /** Runs a command; fails with its output where its exit code is not 0. */
  command(...args: readonly string[]): Promise<string>;
}

/** Runs a test with the processes, over a Redis or Valkey server of its own. */
export async function withTableHosts(
  program: ServerProgram,
  run: (world: TableHosts) => Promise<void>,
): Promise<void> {
  await withHostsOnRedis({
    program,
    roles: { edge: "serving, joiner, trainer", "tables-1": "shards", "tables-2": "shards" },
    placement: "in worker threads",
    snapshots: "2s",
    mesh: ["heartbeat: 200ms", "silence: 10s", "lease: 4s"],
    change: (small) => small.replace("window: 2s", "window: 1h"),
  }, ({ processes, clients: [client], store, cairn }) =>
    run({
      processes,
      client,
      store,
      async command(...args) {
        const { code, out, err } = await cairn(...args);
        assert.equal(code, 0, out + err);
        return out + err;
      },
    }));
}

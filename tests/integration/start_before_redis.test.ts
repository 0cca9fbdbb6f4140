/**
 * Goal: a host that starts before its server answers waits for it, says so, and then runs. Method:
 * a real host process and a real Redis or Valkey server that is down, or stands still.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";

const program = installedProgram();

interface Absence {
  readonly how: string;
  begin(hosts: HostsOnRedis): Promise<void> | void;
  end(hosts: HostsOnRedis): Promise<void> | void;
}

const absences: readonly Absence[] = [
  { how: "is down", begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.start() },
  { how: "stands still", begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() },
];

Deno.test({
  name: "a host that starts while its server is down or stands still waits for it, and ranks then",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      roles: { one: "serving, shards, trainer, joiner" },
      placement: "in one thread",
      snapshots: "1h",
      mesh: [],
    }, async (hosts) => {
      const { processes, clients: [client], ports } = hosts;
      for (const { how, begin, end } of absences) {
        await processes.of("one").kill("SIGKILL");
        await begin(hosts);
        const started = processes.start("one");
        const { said } = await waiting(hosts, how);
        assert.match(said, /Cannot reach the Redis at unix:.*Start it, or correct storage\.redis/);
        const answer = await fetch(`http://127.0.0.1:${ports[0]}/health/ready`);
        assert.equal(answer.status, 503);
        assert.match(await answer.text(), /waiting for the Redis server/);
        await end(hosts);
        await started;
        assert.equal((await client.rank("ann", ["a", "b"])).items.length, 2);
      }
    });
  },
});

/** The host, once it has said that it waits. */
async function waiting({ processes }: HostsOnRedis, how: string) {
  const host = processes.of("one");
  const says = () => Promise.resolve(host.said.includes("the start waits for the Redis server"));
  assert.ok(await eventually(says), `${how}: ${host.said}`);
  return host;
}

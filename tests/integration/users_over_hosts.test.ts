/**
 * Goal: an event that names its user finds the ranking that another serving host has answered, and
 * is taken while that host stands still. Method: real processes over loopback sockets with a real
 * Redis or Valkey server; SIGSTOP.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";

const program = installedProgram();

const hosts = {
  program: program ?? "redis-server",
  roles: { "edge-1": "serving", "edge-2": "serving", learn: "joiner, trainer, shards" },
  placement: "in one thread",
  snapshots: "1m",
  mesh: ["heartbeat: 200ms", "silence: 60s", "lease: 90s"],
} as const;

const ITEMS = ["i0", "i1", "i2"];

async function attribute({ processes, clients: [one, two] }: HostsOnRedis): Promise<void> {
  let events = 0;
  const clickedAt = async (client: typeof one) => {
    const event = { eventId: `e${events++}`, user: "ann", item: "i1", action: "click" };
    return (await client.post([event]))[0];
  };
  // The hosts may not be linked yet, or too busy to answer in time: then the event finds an older
  // ranking, or has one of its own.
  const isFound = async (ranking: typeof one, clicking: typeof one) => {
    const { rankingId } = await ranking.rank("ann", ITEMS);
    return (await clickedAt(clicking)).rankingId === rankingId;
  };
  assert.ok(await eventually(() => isFound(one, two)));
  assert.ok(await eventually(() => isFound(two, one)));
  const newest = await two.rank("ann", ITEMS);

  processes.of("edge-1").signal("SIGSTOP");
  try {
    const alone = await clickedAt(two);
    assert.deepEqual([alone.status, alone.rankingId], ["accepted", newest.rankingId]);
  } finally {
    processes.of("edge-1").signal("SIGCONT");
  }
}

Deno.test({
  name: "an event of a user finds the ranking of another serving host, and is taken without it",
  ignore: program === undefined,
  fn: () => withHostsOnRedis(hosts, attribute),
});

/**
 * Goal: where two of three serving hosts hold each shard's rows, every host ranks with the rows of
 * all shards, also while one of them is killed, and the killed one comes back. Method: real
 * processes over loopback sockets with a real Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";
import type { Client } from "./small_mesh.ts";

const program = installedProgram();

const hosts = {
  program: program ?? "redis-server",
  roles: {
    "edge-1": "serving",
    "edge-2": "serving",
    "edge-3": "serving",
    learn: "joiner, trainer, shards",
  },
  placement: "in one thread",
  snapshots: "2s",
  mesh: ["heartbeat: 200ms", "silence: 10s", "lease: 4s"],
  change: (small: string) => small.replace("serving: { ", "serving: { replicas: 2, "),
} as const;

const ITEMS = Array.from({ length: 24 }, (_, i) => `i${i}`);

/** Clicks every item in a ranking of this host; the time of the last event. */
async function clickAll(client: Client, name: string): Promise<number> {
  const { rankingId } = await client.rank("ann", ITEMS);
  const events = ITEMS.map((item) => ({
    eventId: `${name}-${item}`,
    ...{ rankingId, item, action: "click" },
  }));
  const results = await client.post(events);
  assert.ok(results.every(({ status }) => status === "accepted"));
  return Math.max(...results.map(({ acceptedAtMs }) => acceptedAtMs));
}

/** Waits until a host ranks with all rows, and with these events. */
async function knowsAll(client: Client, acceptedAtMs: number): Promise<void> {
  const knows = async () => {
    const { items, learnedThroughMs } = await client.rank("ann", ITEMS);
    return items.every(({ cold }) => !cold) && learnedThroughMs >= acceptedAtMs;
  };
  assert.ok(await eventually(knows, 60_000), "a host lacks rows, or events");
}

/** Shards whose rows a host holds. */
async function heldBy(client: Client): Promise<string[]> {
  const metrics = await client.text("/metrics");
  return [...metrics.matchAll(/^cairn_replica_rows\{[^}]*shard="(\d+)".*\}/gm)]
    .map(([, shard]) => shard);
}

async function serve({ processes, clients, cairn }: HostsOnRedis): Promise<void> {
  const [one, two, three] = clients;
  const first = await clickAll(one, "first");
  for (const client of clients) await knowsAll(client, first);
  const held = await Promise.all(clients.map(heldBy));
  assert.deepEqual(held.flat().toSorted(), ["0", "0", "1", "1", "2", "2", "3", "3"]);
  assert.ok(held.every(({ length }) => length <= 3), `${held}`);
  assert.equal((await cairn("drain", "edge-2")).err, "", "two hosts hold each of its shards");
  await cairn("undrain", "edge-2");
  assert.match((await cairn("plan")).out, /^edge-2 {2}up {2}[123] serving replicas?$/m);
  const explained = await cairn("explain", "shard", "0");
  assert.match(explained.out, /^its rows are served by edge-\d, edge-\d$/m);

  await processes.of("edge-2").kill("SIGKILL");
  // Rankings go on from the first one after the kill.
  for (let i = 0; i < 20; i++) {
    for (const client of [one, three]) {
      assert.equal((await client.rank("ann", ITEMS)).items.length, ITEMS.length);
    }
  }
  const second = await clickAll(three, "second");
  for (const client of [one, three]) await knowsAll(client, second);
  const alone = /^edge-1 alone serves the rows of shards? \d.*: while it is stopped,/m;
  const isNamed = async () => alone.test((await cairn("drain", "edge-1")).err);
  assert.ok(await eventually(isNamed), "edge-2 has no lease any more");
  await cairn("undrain", "edge-1");

  await processes.start("edge-2");
  const third = await clickAll(two, "third");
  for (const client of clients) await knowsAll(client, third);
  assert.deepEqual((await heldBy(two)).toSorted(), held[1].toSorted());
}

Deno.test({
  name: "every serving host ranks with the rows that two of three hold, also while one is killed",
  ignore: program === undefined,
  fn: () => withHostsOnRedis(hosts, serve),
});

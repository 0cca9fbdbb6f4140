/**
 * Goal: a host whose joiner and trainers stand still past its lease and then go on changes nothing
 * any more and ends by itself; every event is one example on either host. Method: real
 * processes over loopback sockets with a real Redis or Valkey server; SIGSTOP and SIGCONT.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import type { Coordination, PlacedKey } from "../../mesh/ports/coordination.ts";
import { usersOfExamples, visits } from "./counted_visits.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";

const program = installedProgram();
const PARTITIONS: readonly PlacedKey[] = ["events/0", "trainer/0", "trainer/1"];

const hosts = {
  program: program ?? "redis-server",
  roles: {
    edge: "serving, sync",
    "learn-1": "joiner, trainer",
    "learn-2": "joiner, trainer",
    tables: "shards",
  },
  placement: "in one thread",
  trainers: 2,
  // The example log is read at the end, so no snapshot may trim it.
  snapshots: "1h",
  mesh: ["heartbeat: 300ms", "silence: 10s", "lease: 4s"],
  change: (small: string) => small.replace("window: 2s", "window: 1h"),
} as const;

/** The host of each partition, once all are active and `condition` holds. */
async function ownersWhen(
  store: Coordination,
  condition: (owners: readonly string[]) => boolean,
): Promise<readonly string[]> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const { placements } = await store.read();
    const found = PARTITIONS.map((key) => placements.get(key));
    const owners = found.map((each) => each?.state === "active" ? each.owner.host : "none");
    if (!owners.includes("none") && condition(owners)) return owners;
    assert.ok(performance.now() < deadlineMs, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test({
  name:
    "a joiner and trainers that were paused past their lease end, and every event is learned once",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis(hosts, async ({ processes, clients: [client], store, redis }) => {
      const visiting = visits(client);
      const [paused] = await ownersWhen(store, () => true);
      while (visiting.accepted < 50) await new Promise((resolve) => setTimeout(resolve, 20));
      processes.of(paused).signal("SIGSTOP");
      const owners = await ownersWhen(store, (owners) => !owners.includes(paused));
      assert.equal(new Set(owners).size, 1);
      const atTakeover = visiting.accepted;
      while (visiting.accepted < atTakeover + 50) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      processes.of(paused).signal("SIGCONT");
      assert.equal(await processes.of(paused).ended(), 1);
      assert.match(processes.of(paused).said, /its lease expired. The process must stop/);
      const { accepted, newestMs } = await visiting.stop();
      await client.rankFresh("user-0", ["left", "right"], newestMs);
      const users = await usersOfExamples(redis.url);
      assert.equal(users.length, accepted, "examples");
      assert.equal(new Set(users).size, accepted, "users of examples");
    });
  },
});

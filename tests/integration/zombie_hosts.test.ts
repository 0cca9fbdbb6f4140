/**
 * Goal: a host whose joiner and trainers stand still past its lease and then go on changes nothing
 * any more and ends by itself; every event is one example on either host. Method: real
 * processes over loopback sockets with a real Redis or Valkey server; SIGSTOP and SIGCONT.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import {
  installedProgram,
  LocalServer,
  type ServerProgram,
} from "../../mesh/adapters/redis/local_server.ts";
import type { Coordination, PlacedKey } from "../../mesh/ports/coordination.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import { usersOfExamples, visits } from "./counted_visits.ts";
import { clientOn, freePort, HostProcesses } from "./host_process.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const program = installedProgram();
const HOSTS = ["edge", "learn-1", "learn-2", "tables"];
const PARTITIONS: readonly PlacedKey[] = ["events/0", "trainer/0", "trainer/1"];

interface World {
  readonly processes: HostProcesses;
  readonly client: Client;
  readonly store: Coordination;
  readonly redis: LocalServer;
}

async function withHosts(program: ServerProgram, run: (world: World) => Promise<void>) {
  const folder = Deno.makeTempDirSync();
  const redis = await LocalServer.start({ program, directory: folder });
  const [port, ...ports] = Array.from({ length: 5 }, freePort);
  // The example log is read at the end, so no snapshot may trim it.
  const snapshots = "snapshots: { interval: 1h, spread: 0ms }";
  const storage = `{ kind: directory, path: data, ${snapshots}, redis: { url: "${redis.url}" } }`;
  const file = `${folder}/mesh.yaml`;
  const yaml = `${
    smallConfiguration("in one thread", storage, 2).replace("window: 2s", "window: 1h")
  }
mesh:
  id: shop
  secret: a-secret-for-the-test
  heartbeat: 300ms
  silence: 10s
  lease: 4s
  hosts:
    edge:
      address: 127.0.0.1:${ports[0]}
      roles: [serving, sync]
      http: 127.0.0.1:${port}
    learn-1: { address: "127.0.0.1:${ports[1]}", roles: [joiner, trainer] }
    learn-2: { address: "127.0.0.1:${ports[2]}", roles: [joiner, trainer] }
    tables: { address: "127.0.0.1:${ports[3]}", roles: [shards] }
`;
  Deno.writeTextFileSync(file, yaml);
  const processes = new HostProcesses(file);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => Deno.removeSync(folder, { recursive: true }));
  opened.defer(() => redis.kill());
  opened.defer(() => processes.end());
  try {
    await processes.start(...HOSTS);
    const { coordination, close } = await openCoordination(parseConfiguration(yaml, file));
    opened.defer(close);
    await run({ processes, client: clientOn(port), store: coordination, redis });
  } catch (error) {
    for (const host of HOSTS) {
      console.error(`---- ${host}\n${processes.of(host).said.slice(-4_000)}`);
    }
    throw error;
  }
}

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
    await withHosts(program ?? "redis-server", async ({ processes, client, store, redis }) => {
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

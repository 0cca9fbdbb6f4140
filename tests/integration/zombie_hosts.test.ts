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
import { RedisEventLog } from "../../mesh/adapters/redis/redis_event_log.ts";
import { RedisServer } from "../../mesh/adapters/redis/redis_server.ts";
import type { Coordination, PlacedKey } from "../../mesh/ports/coordination.ts";
import { decodeExamples } from "../../records/example_chunk.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
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

/** The id of the user of each example, of all partitions. */
async function usersOfExamples(url: string): Promise<bigint[]> {
  const server = await RedisServer.open({ url, mesh: "shop" });
  const log = await RedisEventLog.open({
    server,
    name: "examples",
    partitions: 2,
    bytesMax: 2 ** 30,
    writer: "test",
  });
  try {
    const users: bigint[] = [];
    for (const partition of [0, 1]) {
      for (const { bytes } of await log.read(partition, 0, 1e6)) {
        const { rows, ids, listOffsets } = decodeExamples(bytes);
        if (rows === 0) continue;
        const all = new BigUint64Array(ids.slice().buffer);
        const offsets = new Uint32Array(listOffsets.slice().buffer);
        const slots = (offsets.length - 1) / rows;
        for (let row = 0; row < rows; row++) users.push(all[offsets[row * slots]]);
      }
    }
    return users;
  } finally {
    await log.close();
    server.close();
  }
}

/** Lets one user after another act once, until told to stop. */
function visits(client: Client) {
  let stopped = false;
  let accepted = 0;
  let newestMs = 0;
  const done = (async () => {
    while (!stopped) {
      const { rankingId } = await client.rank(`user-${accepted}`, ["left", "right"]);
      const [{ status, acceptedAtMs }] = await client.post([
        { eventId: `e-${accepted}`, rankingId, item: "right", action: "click" },
      ]);
      assert.equal(status, "accepted");
      accepted++;
      newestMs = Math.max(newestMs, acceptedAtMs);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return { accepted, newestMs };
  })();
  done.catch(() => {});
  return {
    get accepted() {
      return accepted;
    },
    async stop() {
      stopped = true;
      return await done;
    },
  };
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

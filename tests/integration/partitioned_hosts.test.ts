/**
 * Goal: a host that is cut off from the others, that hears them and is not heard, or that is cut
 * off from Redis, costs nothing but time: nothing is lost, nothing counts twice, and the mesh heals
 * by itself. Method: real processes in network namespaces whose links are cut and joined again,
 * while visitors act, and a count of the examples at the end.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { isInstalled, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import type { Coordination, PlacedKey } from "../../mesh/ports/coordination.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import { assertEachLearnedOnce, loggedEvents, visits } from "./counted_visits.ts";
import { clientOn, HostProcesses } from "./host_process.ts";
import { Namespaces, namespacesLacking } from "./network_namespaces.ts";
import { Client, smallConfiguration } from "./small_mesh.ts";

const HTTP_PORT = 8080;
const LINK_PORT = 7400;
const REDIS_PORT = 6379;
/** Name of the namespace of Redis. */
const REDIS = "redis";
const ITEMS = ["left", "right"];
/** Longest wait for a condition, ms. */
const PATIENCE_MS = 60_000;

interface Mesh {
  /** Roles by host. */
  readonly roles: Readonly<Record<string, string>>;
  /** Lines of the section `mesh`. */
  readonly times: readonly string[];
  /** Whether hosts reach Redis over the network, so that they can be cut off from it. */
  readonly isRedisRemote: boolean;
}

/** A mesh whose hosts are started by the test. */
interface PartitionedHosts {
  readonly namespaces: Namespaces;
  readonly processes: HostProcesses;
  /** Reaches Redis whatever is cut off. */
  readonly redisUrl: string;
  readonly store: () => Promise<Coordination>;
  clientOf(host: string): Client;
}

function meshYaml({ roles, times }: Mesh, namespaces: Namespaces, redis: string): string {
  const storage = "{ kind: directory, path: data, " +
    // The example log is read at the end, so no snapshot may trim it.
    "snapshots: { interval: 2s, spread: 0ms, retained: 99 }, " +
    `redis: { url: "${redis}" } }`;
  const hosts = Object.entries(roles).map(([host, own]) => {
    const address = namespaces.addressOf(host);
    const http = own === "serving" ? `, http: "${address}:${HTTP_PORT}"` : "";
    return `    ${host}: { address: "${address}:${LINK_PORT}", roles: [${own}]${http} }`;
  });
  // With a short window, a ranking that is only looked at would be an example, too.
  return `${smallConfiguration("in one thread", storage).replace("window: 2s", "window: 1h")}
mesh:
  id: shop
  secret: a-secret-for-the-test
${times.map((line) => `  ${line}`).join("\n")}
  hosts:
${hosts.join("\n")}
`;
}

async function withMesh(mesh: Mesh, run: (hosts: PartitionedHosts) => Promise<void>) {
  await using opened = new AsyncDisposableStack();
  const folder = Deno.makeTempDirSync();
  opened.defer(() => Deno.removeSync(folder, { recursive: true }));
  const hosts = Object.keys(mesh.roles);
  const namespaces = new Namespaces([...hosts, REDIS]);
  opened.defer(() => namespaces.remove());
  const address = namespaces.addressOf(REDIS);
  const redis = await LocalServer.start({
    program: "redis-server",
    directory: folder,
    settings: { port: `${REDIS_PORT}`, bind: address, "protected-mode": "no" },
    under: namespaces.under(REDIS),
  });
  opened.defer(() => redis.kill());
  const url = mesh.isRedisRemote ? `redis://${address}:${REDIS_PORT}` : redis.url;
  const configuration = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(configuration, meshYaml(mesh, namespaces, url));
  const processes = new HostProcesses(configuration, (host) => namespaces.under(host));
  opened.defer(() => processes.end());
  try {
    await run({
      namespaces,
      processes,
      redisUrl: redis.url,
      clientOf: (host) => clientOn(HTTP_PORT, namespaces.addressOf(host)),
      async store() {
        const local = parseConfiguration(meshYaml(mesh, namespaces, redis.url), configuration);
        const { coordination, close } = await openCoordination(local);
        opened.defer(close);
        return coordination;
      },
    });
  } catch (error) {
    for (const host of hosts) {
      const said = processes.has(host) ? processes.of(host).said.slice(-6_000) : "not started";
      console.error(`---- ${host}\n${said}`);
    }
    throw error;
  }
}

type Visits = ReturnType<typeof visits>;

/** Waits for a condition; fails at once where a visit fails. */
async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  visiting: Visits,
): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (!await holds()) {
    assert.ok(performance.now() < deadlineMs, `not within ${PATIENCE_MS} ms: ${what}`);
    await Promise.race([visiting.done, new Promise((resolve) => setTimeout(resolve, 50))]);
  }
}

const lacking = isInstalled("redis-server") ? namespacesLacking() : "redis-server is not installed";

/** A test with namespaces; where there are none, a skipped test says why. */
function partitionTest(name: string, fn: () => Promise<void>): void {
  const ignore = lacking !== undefined;
  Deno.test({ name: ignore ? `${name} (skipped: ${lacking})` : name, ignore, fn });
}

partitionTest("a host that is cut off, or cut off one way, is missed and comes back", () => {
  const roles = { edge: "serving", learn: "joiner, trainer", tables: "shards" };
  const mesh = { roles, times: ["heartbeat: 200ms", "silence: 2s"], isRedisRemote: false };
  return withMesh(mesh, async ({ namespaces, processes, clientOf, redisUrl }) => {
    await processes.start(...Object.keys(roles));
    const client = clientOf("edge");
    const visiting = visits(client);
    const lost = (at: string, host: string) =>
      processes.of(at).said.split(`lost the link with host ${host}: `).length - 1;
    const fresh = () => client.rankFresh("ann", ITEMS, visiting.newestMs);
    await visiting.further(20);
    await fresh();

    for (const host of ["learn", "tables"]) {
      namespaces.setLinked(host, false);
      await until(`edge misses ${host}`, () => lost("edge", host) > 0, visiting);
      assert.match(processes.of("edge").said, /host \w+ has sent nothing for 2000 ms/);
      await visiting.further(20);
      namespaces.setLinked(host, true);
      await fresh();
    }

    // `learn` hears `tables`, whose connections it keeps, but is not heard by it.
    const before = lost("tables", "learn");
    namespaces.loseFrames("learn", "tables");
    await until("tables misses learn", () => lost("tables", "learn") > before, visiting);
    await visiting.further(20);
    namespaces.deliverFrames("learn", "tables");
    await fresh();

    await assertEachLearnedOnce(visiting, client, redisUrl);
    assert.deepEqual(await processes.stop(), { edge: 0, learn: 0, tables: 0 });
  });
});

/** Ranks at one host, and sends events to another one; to the first where they are not accepted. */
function sendingElsewhere(first: Client, other: Client): Client {
  return new Client(async (request) => {
    if (!request.url.endsWith("/v1/events")) return await first.send(request);
    const again = request.clone();
    const answer = await Promise.resolve(other.send(request)).catch(() => undefined);
    // Where Redis is slow, an event may also overtake its ranking, which the other one lacks then.
    const isTaken = answer?.ok && (await answer.clone().json()).rejected === 0;
    if (answer !== undefined && isTaken) return answer;
    await answer?.body?.cancel();
    return await first.send(again);
  });
}

const parts: readonly PlacedKey[] = [
  ...["shard/0", "shard/1", "shard/2", "shard/3", "events/0", "trainer/0"] as const,
];

/** Whether the host has all shards, the joiner and the trainer. */
async function hasAll(store: Coordination, host: string): Promise<boolean> {
  const { placements } = await store.read();
  return parts.every((key) => {
    const placement = placements.get(key);
    return placement?.state === "active" && placement.owner.host === host;
  });
}

partitionTest("a host that is cut off from Redis is replaced, ends, and is started again", () => {
  const learning = "shards, joiner, trainer";
  const roles = {
    ...{ "edge-1": "serving", "edge-2": "serving" },
    ...{ "learn-1": learning, "learn-2": learning },
  };
  const times = ["heartbeat: 300ms", "silence: 20s", "lease: 8s", "balance: false"];
  return withMesh({ roles, times, isRedisRemote: true }, async (hosts) => {
    const { namespaces, processes, clientOf, redisUrl } = hosts;
    await processes.start("edge-1", "edge-2", "learn-1");
    const [client, other] = ["edge-1", "edge-2"].map(clientOf);
    const visiting = visits(sendingElsewhere(client, other), { mayRepeat: true });
    const store = await hosts.store();
    await until("learn-1 has all parts", () => hasAll(store, "learn-1"), visiting);
    await processes.start("learn-2");
    await visiting.further(20);
    await client.rankFresh("ann", ITEMS, visiting.newestMs);

    const hasLease = async (host: string) => (await store.read()).hosts.has(host);
    const cutOff = async (host: string, whileUnanswered = () => visiting.further(20)) => {
      // Redis takes the last commands of the host, which does not hear the answers.
      namespaces.loseFrames(REDIS, host);
      await whileUnanswered();
      namespaces.loseFrames(host, REDIS);
      await until(`${host} is gone`, async () => !await hasLease(host), visiting);
      await visiting.further(20);
      // The other hosts go on without it.
      await client.rankFresh("ann", ITEMS, visiting.newestMs);
    };
    const heal = async (host: string) => {
      namespaces.deliverFrames(host, REDIS);
      namespaces.deliverFrames(REDIS, host);
      let code: number | undefined;
      processes.of(host).ended().then((ended) => code = ended);
      await until(`${host} ends`, () => code !== undefined, visiting);
      assert.equal(code, 1);
      assert.match(processes.of(host).said, /its lease expired, .*The process must stop/);
      // As a platform does with a process that has ended.
      await processes.start(host);
      await until(`${host} is back`, () => hasLease(host), visiting);
      await visiting.further(20);
    };

    await cutOff("learn-1");
    await heal("learn-1");

    const { rankingId } = await other.rank("late", ITEMS);
    const isShared = async () =>
      /^cairn_rankings_unshared\S* 0$/m.test(await other.text("/metrics"));
    await until("edge-2 has shared its rankings", isShared, visiting);
    let lateMs = 0;
    await cutOff("edge-2", async () => {
      const event = { eventId: "late", rankingId, item: "right", action: "click" };
      // The log's time for a try ends when the request's does: either may come first.
      await assert.rejects(other.post([event]), /\/v1\/events answered 50[34]/);
      // Most often a duplicate: the log has it, which edge-2 has not heard.
      const [{ status, acceptedAtMs }] = await client.post([event]);
      assert.notEqual(status, "rejected");
      lateMs = acceptedAtMs;
    });
    assert.equal((await other.rank("ann", ITEMS)).items.length, ITEMS.length);
    await heal("edge-2");

    await until("learn-2 has all parts", () => hasAll(store, "learn-2"), visiting);
    await other.rankFresh("ann", ITEMS, visiting.newestMs);
    const stop = async () => {
      const { accepted, newestMs } = await visiting.stop();
      return { accepted: accepted + 1, newestMs: Math.max(newestMs, lateMs) };
    };
    await assertEachLearnedOnce({ stop }, client, redisUrl);
    const logged = await loggedEvents(redisUrl);
    assert.equal(logged.length, visiting.accepted + 1, "events");
    assert.equal(new Set(logged).size, logged.length, "events that are logged twice");
  });
});

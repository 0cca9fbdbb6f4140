/**
 * Goal: the hosts of a mesh are changed by restarts, one host after another, while users rank and
 * act: no request fails, and every event is one example. Hosts that the file did not list join, and
 * hosts get other threads and other numbers of replicas. Method: real processes with a real Redis
 * or Valkey server. The file is changed, and each host takes it when it is restarted; so those
 * before have the new file, and those after the old one. In another mesh a new host starts although
 * the others are not restarted.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import type { HostThreads } from "../../mesh/ports/coordination.ts";
import { freePorts } from "../free_ports.ts";
import { assertEachLearnedOnce, visits } from "./counted_visits.ts";
import { clientOn, HostProcess } from "./host_process.ts";
import {
  type HostsOnRedis,
  type HostsOnRedisOptions,
  ownersWhen,
  withHostsOnRedis,
} from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";
import { Client } from "./small_mesh.ts";

const program = installedProgram();

/** Each action is one example; the log of them is read at the end, so no snapshot may trim it. */
const hosts = {
  program: program ?? "redis-server",
  placement: "in one thread",
  snapshots: "1h",
  mesh: ["heartbeat: 300ms", "silence: 10s"],
  change: (small: string) =>
    small.replace("window: 2s", "window: 1h").replace("spread: 0ms", "spread: 0ms, retained: 9"),
} satisfies Omit<HostsOnRedisOptions, "roles">;

/** The file where each shard's rows are on so many serving hosts. */
function withReplicas(file: string, replicas: string): string {
  return file.replace("serving: { ", `serving: { replicas: ${replicas}, `);
}

/** Visits on one host at a time. */
class Visiting {
  #ranks: Client;
  readonly visits: ReturnType<typeof visits>;

  constructor(ranks: Client) {
    this.#ranks = ranks;
    this.visits = visits(new Client((request) => this.#ranks.send(request)));
  }

  /** Resolves when all visits are on this host. */
  async moveTo(client: Client): Promise<void> {
    this.#ranks = client;
    await this.visits.further(2); // the visit on its way may be with the host before
  }
}

/** @param meanwhile Awaited while the host is down. */
async function restart(
  { processes }: HostsOnRedis,
  host: string,
  meanwhile = () => Promise.resolve(),
): Promise<void> {
  assert.equal((await processes.of(host).kill("SIGTERM")).code, 0);
  await meanwhile();
  await processes.start(host);
}

Deno.test({
  name: "a serving host and a host with shards are added by restarts, one host after another",
  ignore: program === undefined,
  async fn() {
    const roles = {
      "edge-1": "serving",
      "edge-2": "serving",
      learn: "joiner, trainer",
      "tables-1": "shards",
    };
    // The third serving host takes rows over from the first two.
    const change = (small: string) => withReplicas(hosts.change(small), "2");
    await withHostsOnRedis({ ...hosts, roles, change }, async (mesh) => {
      const { processes, clients, redis, cairn } = mesh;
      const visiting = new Visiting(clients[0]);
      const [http, edge, tables] = freePorts(3);
      const file = processes.configuration;
      Deno.writeTextFileSync(
        file,
        Deno.readTextFileSync(file).trimEnd() + `
    edge-3: { address: "127.0.0.1:${edge}", roles: [serving], http: "127.0.0.1:${http}" }
    tables-2: { address: "127.0.0.1:${tables}", roles: [shards] }
`,
      );
      await visiting.moveTo(clients[1]);
      await restart(mesh, "edge-1");
      await visiting.moveTo(clients[0]);
      for (const host of ["edge-2", "learn", "tables-1"]) await restart(mesh, host);
      await processes.start("edge-3", "tables-2");
      await visiting.moveTo(clientOn(http));
      const drained = await cairn("drain", "tables-1", "--wait");
      assert.equal(drained.code, 0, drained.err);
      const { hosts } = JSON.parse((await cairn("status", "--json")).out);
      const shardsOf = (name: string) =>
        hosts.find(({ host }: { readonly host: string }) => host === name).shards;
      assert.deepEqual([shardsOf("tables-1"), shardsOf("tables-2")], [0, 4]);
      await assertEachLearnedOnce(visiting.visits, clientOn(http), redis.url);
    });
  },
});

const ITEMS = Array.from({ length: 24 }, (_, i) => `i${i}`);

/** Lets a user act on each item. */
async function actOnAll(client: Client): Promise<void> {
  for (const item of ITEMS) {
    const { rankingId } = await client.rank(`fan of ${item}`, [item]);
    const event = { eventId: `all-${item}`, rankingId, item, action: "click" };
    assert.equal((await client.post([event]))[0].status, "accepted");
  }
}

/** Waits until rankings of these hosts have the rows of all items. */
async function haveAllRows(clients: readonly Client[]): Promise<void> {
  for (const client of clients) {
    const hasAll = async () => (await client.rank("ann", ITEMS)).items.every(({ cold }) => !cold);
    assert.ok(await eventually(hasAll, 60_000), "a host lacks rows");
  }
}

Deno.test({
  name: "threads and replicas are changed by restarts, one host after another",
  ignore: program === undefined,
  async fn() {
    const edges = ["edge-1", "edge-2", "edge-3"];
    const serving = Object.fromEntries(edges.map((host) => [host, "serving"]));
    const roles = { ...serving, learn: "joiner, trainer, shards" };
    await withHostsOnRedis({ ...hosts, roles }, async (mesh) => {
      const { processes, clients, redis, store, cairn } = mesh;
      const begun = Deno.readTextFileSync(processes.configuration);
      const visiting = new Visiting(clients[0]);
      await actOnAll(clients[0]);
      await haveAllRows(clients);

      /** Changes the file, and restarts each host with it. */
      const change = async (
        placement: string,
        replicas: string,
        threads: readonly HostThreads[],
      ) => {
        Deno.writeTextFileSync(
          processes.configuration,
          withReplicas(begun.replace("{ kind: singleThread }", placement), replicas),
        );
        const planned = await cairn("plan");
        assert.match(
          planned.err,
          /other embeddings\.serving\.replicas, placement, which .*: restart the hosts/,
        );
        for (const [i, host] of edges.entries()) {
          await visiting.moveTo(clients[(i + 1) % edges.length]);
          // Each shard has two holders in any file, one of which is up.
          await restart(mesh, host, () => haveAllRows(clients.toSpliced(i, 1)));
          await haveAllRows(clients);
        }
        await restart(mesh, "learn");
        const isChanged = async () => (await cairn("plan")).code === 0; // and all parts have hosts
        assert.ok(await eventually(isChanged, 60_000), "the mesh does not run with the file");
        const told = (await store.read()).hosts;
        assert.deepEqual([...edges, "learn"].map((host) => told.get(host)?.threads), threads);
      };
      const none = { serving: 0, trainers: 0, shards: 0 };
      const scoring = { ...none, serving: 1 };
      await change("{ kind: workers, shardThreads: 2, scoringThread: own }", "2", [
        ...[scoring, scoring, scoring],
        { ...none, trainers: 1, shards: 2 },
      ]);
      await change("{ kind: workers, shardThreads: 3, scoringThread: main }", "all", [
        ...[none, none, none],
        { ...none, trainers: 1, shards: 3 },
      ]);
      const all = {
        async stop() {
          const { accepted, newestMs } = await visiting.visits.stop();
          return { accepted: accepted + ITEMS.length, newestMs };
        },
      };
      await assertEachLearnedOnce(all, clients[0], redis.url);
    });
  },
});

Deno.test({
  name: "a host that the files of the others do not list gets no shards of a lost host",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      roles: { edge: "serving, joiner, trainer", "tables-1": "shards", "tables-2": "shards" },
      placement: "in one thread",
      snapshots: "2s",
      mesh: ["heartbeat: 200ms", "silence: 10s", "lease: 4s"],
      change: (small) => small.replace("window: 2s", "window: 1h"),
    }, async ({ folder, processes, clients: [client], store, cairn }) => {
      await ownersWhen(store, (owners) => new Set(owners).size === 2);
      const visiting = visits(client);
      const [port] = freePorts(1);
      const file = `${folder}/later.yaml`;
      Deno.writeTextFileSync(
        file,
        Deno.readTextFileSync(processes.configuration).trimEnd() +
          `\n    tables-3: { address: "127.0.0.1:${port}", roles: [shards] }\n`,
      );
      const later = new HostProcess("tables-3", file);
      try {
        await later.ready();
        await ownersWhen(
          store,
          (_, { hosts }) =>
            ["edge", "tables-1", "tables-2"].every((host) =>
              hosts.get(host)?.unlinked.some((run) => run.host === "tables-3")
            ),
        );
        await processes.of("tables-2").kill("SIGKILL");
        await ownersWhen(store, (owners) => owners.every((host) => host === "tables-1"));
        await client.rankFresh("ann", ["left", "right"], visiting.newestMs);
        assert.match(
          (await cairn("status")).out,
          /^edge and tables-1 have no link with tables-3: their logs say why$/m,
        );
      } finally {
        await visiting.stop();
        await later.kill("SIGKILL");
      }
    });
  },
});

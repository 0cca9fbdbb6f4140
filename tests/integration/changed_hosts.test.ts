/**
 * Goal: hosts that the file did not list join a mesh while users rank and act: no request fails,
 * and every event is one example. Method: real processes with a real Redis or Valkey server. The
 * file gets two hosts; then the others are restarted one after another, while those before have the
 * new file and those after the old one; then the new hosts start.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { freePorts } from "../free_ports.ts";
import { assertEachLearnedOnce, visits } from "./counted_visits.ts";
import { clientOn } from "./host_process.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";
import { Client } from "./small_mesh.ts";

const program = installedProgram();

Deno.test({
  name: "a serving host and a host with shards are added by restarts, one host after another",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      roles: {
        "edge-1": "serving",
        "edge-2": "serving",
        learn: "joiner, trainer",
        "tables-1": "shards",
      },
      placement: "in one thread",
      snapshots: "1h",
      mesh: ["heartbeat: 300ms", "silence: 10s"],
      // Each action is one example; the log of them is read at the end, so no snapshot may trim it.
      change: (small) =>
        small.replace("window: 2s", "window: 1h").replace(
          "spread: 0ms",
          "spread: 0ms, retained: 9",
        ),
    }, async ({ processes, clients, redis, cairn }) => {
      let ranks = clients[0];
      const visiting = visits(new Client((request) => ranks.send(request)));
      const rankAt = async (client: Client) => {
        ranks = client;
        const before = visiting.accepted; // the visit on its way may be with the host before
        while (visiting.accepted < before + 2) await new Promise((end) => setTimeout(end, 5));
      };

      const [http, edge, tables] = freePorts(3);
      const file = processes.configuration;
      Deno.writeTextFileSync(
        file,
        Deno.readTextFileSync(file).trimEnd() + `
    edge-3: { address: "127.0.0.1:${edge}", roles: [serving], http: "127.0.0.1:${http}" }
    tables-2: { address: "127.0.0.1:${tables}", roles: [shards] }
`,
      );
      const others: Record<string, Client> = { "edge-1": clients[1], "edge-2": clients[0] };
      for (const host of ["edge-1", "edge-2", "learn", "tables-1"]) {
        await rankAt(others[host] ?? ranks);
        assert.equal((await processes.of(host).kill("SIGTERM")).code, 0);
        await processes.start(host);
      }
      await processes.start("edge-3", "tables-2");
      await rankAt(clientOn(http));
      const drained = await cairn("drain", "tables-1", "--wait");
      assert.equal(drained.code, 0, drained.err);
      const { hosts } = JSON.parse((await cairn("status", "--json")).out);
      const shardsOf = (name: string) =>
        hosts.find(({ host }: { readonly host: string }) => host === name).shards;
      assert.deepEqual([shardsOf("tables-1"), shardsOf("tables-2")], [0, 4]);
      await assertEachLearnedOnce(visiting, clientOn(http), redis.url);
    });
  },
});

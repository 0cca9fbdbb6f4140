/**
 * Goal: shards move between the processes of a mesh by a drain, and go to another host when theirs
 * is killed, while users rank and act; nothing is lost, learned twice or refused. A host with
 * another secret, another store or the store of another mesh gets none. Method: real processes over
 * loopback sockets with a real Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { visits } from "./counted_visits.ts";
import { HostProcess } from "./host_process.ts";
import { ownersWhen } from "./hosts_on_redis.ts";
import { withTableHosts } from "./table_hosts.ts";

const program = installedProgram();

Deno.test({
  name: "shards move between processes by a drain, and are restored where a host is killed",
  ignore: program === undefined,
  async fn() {
    await withTableHosts(program ?? "redis-server", async ({ processes, client, store }) => {
      const visiting = visits(client);
      await visiting.further(1);
      // The first host to come took all shards; they even out when the other one is there.
      const areEven = (owners: readonly string[]) =>
        owners.filter((owner) => owner === "tables-1").length === 2;
      await ownersWhen(store, areEven);
      await client.rankFresh("user-0", ["left", "right"], visiting.newestMs);

      await store.setHostState("tables-1", "draining");
      const drained = await ownersWhen(store, (owners) => !owners.includes("tables-1"));
      assert.deepEqual(drained, ["tables-2", "tables-2", "tables-2", "tables-2"]);
      await client.rankFresh("user-0", ["left", "right"], visiting.newestMs);
      const { generation } = await store.read();
      assert.equal(generation, 0, "no shard was lost");

      await store.setHostState("tables-1", "up");
      await ownersWhen(store, areEven);
      await processes.of("tables-2").kill("SIGKILL");
      const restored = await ownersWhen(store, (owners) => !owners.includes("tables-2"));
      assert.deepEqual(restored, ["tables-1", "tables-1", "tables-1", "tables-1"]);
      const { accepted, newestMs } = await visiting.stop();
      await client.rankFresh("user-0", ["left", "right"], newestMs);
      assert.ok(accepted > 20);

      const file = Deno.readTextFileSync(processes.configuration);
      const refusal = async (from: string | RegExp, to: string) => {
        const other = processes.configuration.replace("mesh.yaml", "other.yaml");
        Deno.writeTextFileSync(other, file.replace(from, to));
        const stranger = new HostProcess("tables-2", other);
        assert.equal(await stranger.ended(), 1);
        return stranger.said;
      };
      assert.match(
        await refusal(/secret: .*/, "secret: another-secret-of-some-host"),
        /The mesh\.secret of this host is not that of the mesh, of which edge, tables-1 run\./,
      );
      assert.match(
        await refusal("path: data", "path: unmounted"),
        /storage\.path \(\S+unmounted\) is not the store of this mesh: it lacks the mark/,
      );
      assert.match(
        await refusal("id: shop", "id: another-shop"),
        /storage\.path \(\S+data\) is the store of another mesh, of which/,
      );
      assert.deepEqual(await ownersWhen(store, () => true), restored, "it gets no shard");
    });
  },
});

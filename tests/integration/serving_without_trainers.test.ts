/**
 * Goal: a serving host that starts while no trainer runs answers rankings and events with the model
 * of the newest snapshot, and learns on when a trainer is back. Method: real processes with a real
 * Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { DirectoryBlobStore } from "../../mesh/adapters/embedded/directory_blob_store.ts";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { readManifests, sequenceOf } from "../../records/snapshot_manifest.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";

const program = installedProgram();
const ITEMS = ["left", "right"];

Deno.test({
  name: "a serving host starts while the only host that trains is away",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis({
      program: program ?? "redis-server",
      roles: { edge: "serving", learn: "joiner, trainer", tables: "shards" },
      placement: "in one thread",
      snapshots: "1s",
      mesh: ["heartbeat: 300ms", "silence: 10s"],
      change: (small) => small.replace("window: 2s", "window: 1h"),
    }, async ({ processes, clients: [client], folder }) => {
      const blobs = new DirectoryBlobStore(`${folder}/data/blobs`);
      const visit = async (name: string) => {
        const { rankingId } = await client.rank("user-0", ITEMS);
        const event = { eventId: `e-${name}`, rankingId, item: "right", action: "click" };
        const [{ status, acceptedAtMs }] = await client.post([event]);
        assert.equal(status, "accepted");
        return acceptedAtMs!;
      };
      await client.rankFresh("user-0", ITEMS, await visit("1"));
      await eventually(async () => {
        const [newest] = await readManifests(blobs);
        return newest !== undefined && sequenceOf(newest) > 0;
      });
      assert.equal((await processes.of("learn").kill("SIGKILL")).success, false);
      assert.equal((await processes.of("edge").kill("SIGTERM")).code, 0);

      await processes.start("edge");
      const { modelVersion } = await client.rank("user-0", ITEMS);
      assert.ok(modelVersion > 0);
      const accepted = await visit("2");
      await processes.start("learn");
      await client.rankFresh("user-0", ITEMS, accepted);
    });
  },
});

/**
 * The operator's commands where Redis has lost records that hosts of the mesh know, as after a
 * failover: they say so and change nothing, until the loss is accepted. And the store of snapshots
 * that another mesh has marked.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { tellLostRecords } from "../../../mesh/adapters/redis/lost_records.ts";
import { RecordsLostError } from "../../../mesh/ports/record_store.ts";
import { listMarks, putMark } from "../../../records/mesh_mark.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";
import { openBlobStorage } from "../../../server/machine/storage.ts";
import { openServer } from "../../../server/machine/redis_storage.ts";
import { ignore, withWorld } from "./joined_hosts.ts";

Deno.test({
  name: "each command names the loss, until it is accepted",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.mkdirSync(`${world.folder}/data`);
      const server = await openServer({ server: { url: world.redis, mesh: "shop" } });
      const configuration = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
      const { coordination, close } = await openCoordination(configuration);
      const { revision } = await coordination.read();
      await tellLostRecords(server, new RecordsLostError("redis", revision + 3, revision));

      const commands = [
        ["status"],
        ["plan"],
        ["apply"],
        ["explain", "shard", "3"],
        ["drain", "tables-1"],
      ];
      for (const command of commands) {
        const { code, err } = await world.run(...command);
        assert.equal(code, 1, command.join(" "));
        assert.match(
          err,
          /the mesh was at revision \d+: it lost writes .*`cairn recover --accept-loss`/,
        );
      }
      assert.equal((await coordination.read()).revision, revision, "nothing was written");

      assert.equal((await world.run("recover", "--accept-loss")).code, 0);
      assert.equal((await world.run("status")).code, 0);
      await close();
      server.close();
    }),
});

Deno.test({
  name: "recover takes the store of another mesh only where the command names that mesh",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.mkdirSync(`${world.folder}/data`);
      const { storage } = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
      assert.ok(storage.kind === "directory");
      const { blobs } = await openBlobStorage({ ...storage, path: `${world.folder}/data` });
      const other = { mesh: "m-1", mark: "k-1" };
      await putMark(blobs, other, "tables");
      const refused = await world.run("recover", "--accept-loss");
      const named = await world.run("recover", "--accept-loss", "--from-mesh", "m-2");
      for (const { code, err } of [refused, named]) {
        assert.equal(code, 1);
        assert.match(
          err,
          /data\) is the store of mesh m-1, of which tables is a host\. Nothing has/,
        );
        assert.match(err, /add --from-mesh m-1\.$/m);
      }
      assert.deepEqual(await listMarks(blobs), [other]);
      assert.match((await world.run("explain", "shard", "3")).out, /^shard 3 is active/);
      const taken = await world.run("recover", "--accept-loss", "--from-mesh", "m-1");
      assert.equal(taken.code, 0, taken.err);
      assert.match(taken.out, /^the store of the snapshots was that of another mesh\n/);
      assert.deepEqual(await listMarks(blobs), []);
    }),
});

/**
 * The operator's commands where Redis has lost records that hosts of the mesh know, as after a
 * failover: they say so and change nothing, until the loss is accepted.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { tellLostRecords } from "../../../mesh/adapters/redis/lost_records.ts";
import type { RedisServer } from "../../../mesh/adapters/redis/redis_server.ts";
import type { Coordination } from "../../../mesh/ports/coordination.ts";
import { RecordsLostError } from "../../../mesh/ports/record_store.ts";
import { listMarks, putMark } from "../../../records/mesh_mark.ts";
import { FORMAT, writeManifest } from "../../../records/snapshot_manifest.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";
import { openServer } from "../../../server/machine/redis_storage.ts";
import { blobsOf } from "../../../server/machine/shared_storage.ts";
import { ignore, withWorld, type World } from "./joined_hosts.ts";

/** A server that has lost records, as a host of the mesh tells. */
async function withLoss(
  work: (world: World, server: RedisServer, coordination: Coordination) => Promise<void>,
): Promise<void> {
  await withWorld(async (world) => {
    await world.join();
    Deno.mkdirSync(`${world.folder}/data`);
    const server = await openServer({ server: { url: world.redis, mesh: "shop" } });
    const configuration = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
    const { coordination, close } = await openCoordination(configuration);
    const { revision } = await coordination.read();
    await tellLostRecords(server, new RecordsLostError("redis", revision + 3, revision));
    await work(world, server, coordination);
    await close();
    server.close();
  });
}

Deno.test({
  name: "each command names the loss, until it is accepted",
  ignore,
  fn: () =>
    withLoss(async (world, _, coordination) => {
      const { revision } = await coordination.read();
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

      const { code, out } = await world.run("recover", "--accept-loss");
      assert.equal(code, 0);
      assert.match(out, /^every shard gets .*`cairn status` names them/s);
      assert.equal((await world.run("status")).code, 0);
      const again = await world.run("recover", "--accept-loss");
      assert.match(again.out, /^no host that runs tells of lost records of the mesh\n/);
      await world.tell("tables-1", { refusal: "a failover has lost 3 records" });
      await world.tell("learn-1", { refusal: "a failover has lost 3 records" });
      const refused = await world.run("recover", "--accept-loss");
      assert.match(
        refused.out,
        /^the mesh's own records are not lost; learn-1, tables-1 refuse events\nevery .*\nhosts that refuse events read no log until they are restarted/,
      );
    }),
});

Deno.test({
  name: "a mesh whose server has lost all data begins anew, and its snapshots are taken over",
  ignore,
  fn: () =>
    withLoss(async (world, server, coordination) => {
      const { identity } = await coordination.read();
      const blobs = await blobsOf(`${world.folder}/data`, undefined);
      await putMark(blobs, { mesh: identity.mesh, mark: "m" }, "tables-1");
      const snapshot = (number: number, learned: number) => {
        const name = `snapshots/00000000000000${number}`;
        const [sequence, offset] = [learned, learned];
        const trainer = { source: "trainer/0", sequence, partition: 0, offset };
        const checkpoint = { name: `${name}/x`, bytes: 0, checksum: 0 };
        return writeManifest(blobs, {
          ...{ format: FORMAT, name, atMs: number, shards: [] },
          trainers: [{ ...trainer, learnedThroughMs: 0, checkpoint }],
        });
      };
      await snapshot(2, 9);
      await server.commands.send(["FLUSHALL"]);
      await tellLostRecords(server, new RecordsLostError("redis", 30, 0));
      assert.match((await world.run("status")).err, /is at revision 0, and the mesh was at/);
      const unnamed = await world.run("recover", "--accept-loss");
      assert.equal(unnamed.code, 1, "no mesh is named");
      assert.match(
        unnamed.err,
        /Nothing has changed\..* add --from-mesh .*\. Redis has no data of this mesh: all its hosts that run, gateways too, end then/,
      );
      const command = ["recover", "--accept-loss", "--from-mesh", identity.mesh];
      const { code, out } = await world.run(...command);
      assert.equal(code, 0);
      assert.match(
        out,
        /^Redis had no data of the mesh: it begins anew; hosts that run end, .*\n.*\n.* `cairn snapshot restore \S+mesh\.yaml 000000000000002 --examples skip`, and start them\n$/,
      );
      await snapshot(1, 0);
      const { out: earlier } = await world.run("recover", "--accept-loss");
      assert.match(earlier, / `cairn snapshot restore \S+ 000000000000001 --examples learn`, and /);
      const now = (await coordination.read()).identity;
      assert.notEqual(now.mesh, identity.mesh);
      assert.deepEqual(await listMarks(blobs), [{ mesh: now.mesh, mark: now.blobsMark }]);
    }),
});

Deno.test({
  name: "a mesh that has never been is not recovered",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      Deno.mkdirSync(`${world.folder}/data`);
      const { code, err } = await world.run("recover", "--accept-loss");
      assert.deepEqual([code, /No host has joined the mesh shop yet/.test(err)], [1, true]);
    }),
});

Deno.test({
  name: "recover begins without later snapshots of the mesh only where the command says so",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const folder = `${world.folder}/data`;
      Deno.mkdirSync(folder);
      const configuration = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
      const { coordination, close } = await openCoordination(configuration);
      const later = "snapshots/000000000000007";
      await coordination.recordOldestSnapshot(later, { generation: 0, epochs: {} });
      const recover = (...args: readonly string[]) =>
        world.run("recover", "--accept-loss", ...args);
      const empty = await recover();
      assert.equal(empty.code, 1);
      assert.match(
        empty.err,
        /data\) lacks 000000000000007 and all later .* Nothing has changed\. .* mounted\. .* add --from-snapshot none: every shard gets a new owner, which begins without rows/,
      );
      assert.equal((await coordination.read()).identity.blobsMark, undefined);

      const blobs = await blobsOf(folder, undefined);
      const name = "snapshots/000000000000003";
      await writeManifest(blobs, { format: FORMAT, name, atMs: 1, shards: [], trainers: [] });
      assert.match(
        (await recover("--from-snapshot", "none")).err,
        /add --from-snapshot 0+3: every/,
      );
      assert.equal((await coordination.read()).oldestSnapshot, later);
      assert.equal((await recover("--from-snapshot", "000000000000003")).code, 0);
      const { identity, oldestSnapshot } = await coordination.read();
      assert.equal(oldestSnapshot, name);
      const { mesh, blobsMark: mark } = identity;
      assert.deepEqual(await listMarks(blobs), [{ mesh, mark }]);
      assert.equal((await recover()).code, 0, "it has what the mesh keeps");
      await close();
    }),
});

Deno.test({
  name: "recover takes a folder without the mark of the mesh only where the command says so",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const folder = `${world.folder}/data`;
      Deno.mkdirSync(folder);
      const configuration = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
      const { coordination, close } = await openCoordination(configuration);
      await coordination.markBlobs("of-the-volume");
      const { code, err } = await world.run("recover", "--accept-loss");
      assert.equal(code, 1);
      assert.match(
        err,
        /data\) lacks the mark of this mesh\. Nothing has .* mounted\. .* add --from-snapshot none/,
      );
      assert.equal((await coordination.read()).identity.blobsMark, "of-the-volume");
      assert.deepEqual(await listMarks(await blobsOf(folder, undefined)), []);
      const taken = await world.run("recover", "--accept-loss", "--from-snapshot", "none");
      assert.equal(taken.code, 0, taken.err);
      assert.notEqual((await coordination.read()).identity.blobsMark, "of-the-volume");
      await close();
    }),
});

Deno.test({
  name: "recover takes the store of another mesh only where the command names that mesh",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.mkdirSync(`${world.folder}/data`);
      const blobs = await blobsOf(`${world.folder}/data`, undefined);
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
      assert.equal((await listMarks(blobs)).length, 1);
    }),
});

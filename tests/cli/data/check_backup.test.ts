/**
 * `cairn data backup --check` on the records of a mesh: a backup from which its parts would not
 * begin is told.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { putMark } from "../../../records/mesh_mark.ts";
import { FORMAT, writeManifest } from "../../../records/snapshot_manifest.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";
import { blobsOf } from "../../../server/machine/shared_storage.ts";
import { runCaptured } from "../captured_command.ts";
import { ignore, withWorld } from "../placement/joined_hosts.ts";

const snapshotOf = (atMs: number) => `snapshots/${String(atMs).padStart(15, "0")}`;

Deno.test({
  name: "a backup is checked against the snapshots and the mark that the mesh has now",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const configuration = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
      const { coordination, close } = await openCoordination(configuration);
      const { identity: { mesh } } = await coordination.read();
      const folder = `${world.folder}/backup`;
      const check = (...flags: string[]) =>
        runCaptured("data", "backup", world.file, folder, "--check", ...flags);
      assert.match((await check()).err, /backup holds no snapshot/);
      const backup = await blobsOf(folder, undefined);
      await putMark(backup, { mesh, mark: "first" }, "edge");
      assert.match((await check()).err, /There is no snapshot in .*backup/);
      const parts = { trainers: [], shards: [] };
      await writeManifest(backup, { format: FORMAT, name: snapshotOf(7), atMs: 7, ...parts });

      const mark = "first";
      for (const newestSnapshot of [undefined, snapshotOf(6), snapshotOf(7)]) {
        await coordination.acceptLoss({ mark, ...(newestSnapshot && { newestSnapshot }) });
        const { code, out, err } = await check("--json");
        assert.equal(code, 0, err);
        assert.deepEqual(JSON.parse(out), { snapshot: "000000000000007" });
      }
      assert.match(
        (await check()).out,
        /^Snapshot 0+7 goes with every copy of Redis .* since\.\n$/,
      );

      await coordination.acceptLoss({ mark, newestSnapshot: snapshotOf(8) });
      const older = await check();
      assert.equal(older.code, 1, older.out);
      assert.match(
        older.err,
        /0+7 in .* older than all snapshots that the mesh keeps\. Delete both/,
      );
      assert.match(
        older.err,
        /before 2 newer snapshots are taken, one every 1m: .*\.retained\.\n$/,
      );

      await coordination.acceptLoss({ mark: "second", newestSnapshot: snapshotOf(7) });
      const recovered = await check();
      assert.equal(recovered.code, 1, recovered.out);
      assert.match(recovered.err, /of another mesh, or of this one before `cairn recover`/);
      await close();

      const inFolder = await runCaptured("data", "backup", world.folder, folder, "--check");
      assert.equal(inFolder.code, 2);
      assert.match(inFolder.err, /Give the configuration that names the Redis server/);
    }),
});

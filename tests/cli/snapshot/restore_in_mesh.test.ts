/**
 * `cairn snapshot restore` and `cairn data restore` in a mesh of several hosts.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { FORMAT, writeManifest } from "../../../records/snapshot_manifest.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";
import { meshOpeningOf } from "../../../server/machine/placement_environment.ts";
import { blobsOf } from "../../../server/machine/shared_storage.ts";
import { runCaptured } from "../captured_command.ts";
import { ignore, withWorld } from "../placement/joined_hosts.ts";

Deno.test({
  name: "a snapshot is not restored while hosts of the mesh run",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.mkdirSync(`${world.folder}/data/blobs`, { recursive: true });
      const one = `${world.folder}/one.yaml`;
      const [withoutMesh] = Deno.readTextFileSync(world.file).split("\nmesh:\n");
      Deno.writeTextFileSync(one, withoutMesh.replace("redis: {", "redis: { name: shop,"));
      for (const file of [world.file, one]) {
        const { code, err } = await runCaptured(
          ...["snapshot", "restore", file, "001764412388123", "--examples", "skip"],
        );
        assert.equal(code, 1);
        assert.match(
          err,
          /hosts of a mesh run on them \([a-z0-9, -]*tables-1[a-z0-9, -]*\).* Stop all of them/,
        );
      }
    }),
});

Deno.test({
  name:
    "a restored backup from which the mesh would not begin is told with the way to begin from it",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      const backup = `${world.folder}/backup`;
      Deno.mkdirSync(backup);
      const name = "snapshots/000000000000003";
      const manifest = { format: FORMAT, name, atMs: 1, shards: [], trainers: [] } as const;
      await writeManifest(await blobsOf(backup, undefined), manifest);
      const configuration = parseConfiguration(Deno.readTextFileSync(world.file), world.file);
      const { coordination, close } = await openCoordination(configuration);
      await coordination.open(meshOpeningOf(configuration));
      const restored = async (oldest: string) => {
        await coordination.recordOldestSnapshot(oldest, { generation: 0, epochs: {} });
        Deno.mkdirSync(`${world.folder}/data/blobs`, { recursive: true });
        const { code, out, err } = await runCaptured("data", "restore", world.file, backup);
        assert.equal(code, 0, err);
        Deno.removeSync(`${world.folder}/data`, { recursive: true });
        return out;
      };
      assert.match(await restored(name), /The next start begins from 000000000000003/);
      assert.match(
        await restored("snapshots/000000000000004"),
        /000000000000003 is older .* only after:\n.*recover --accept-loss .* --from-snapshot 0+3\n$/,
      );
      await close();
    }),
});

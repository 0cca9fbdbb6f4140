/**
 * `cairn snapshot restore` in a mesh of several hosts.
 */
import assert from "node:assert/strict";
import { runCaptured } from "../captured_command.ts";
import { ignore, withWorld } from "../placement/joined_hosts.ts";

Deno.test({
  name: "a snapshot is not restored while hosts of the mesh run",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.mkdirSync(`${world.folder}/data/blobs`, { recursive: true });
      const { code, err } = await runCaptured(
        ...["snapshot", "restore", world.file, "001764412388123", "--examples", "skip"],
      );
      assert.equal(code, 1);
      assert.match(
        err,
        /Hosts of the mesh run: [a-z0-9, -]*tables-1[a-z0-9, -]*\. Stop all of them/,
      );
    }),
});

/**
 * The operator's commands where Redis has lost records that hosts of the mesh know, as after a
 * failover: they say so and change nothing, until the loss is accepted.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../../configuration/configuration.ts";
import { tellLostRecords } from "../../../mesh/adapters/redis/lost_records.ts";
import { RecordsLostError } from "../../../mesh/ports/record_store.ts";
import { openCoordination } from "../../../server/machine/redis_coordination.ts";
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

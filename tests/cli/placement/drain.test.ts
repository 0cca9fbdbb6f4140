/**
 * `cairn drain` and `undrain`.
 */
import assert from "node:assert/strict";
import { ignore, withWorld } from "./joined_hosts.ts";

Deno.test({
  name: "a host is drained and comes back, and one that does not exist is named",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const drained = await world.run("drain", "tables-1");
      assert.deepEqual(
        [drained.code, drained.out],
        [0, "tables-1 is draining: 4 shards leave it\n"],
      );
      assert.match((await world.run("status")).out, /^tables-1 {2}draining/m);
      assert.match((await world.run("plan")).out, /moves .*: tables-1 is draining; tables-2 has/);
      assert.equal(
        (await world.run("undrain", "tables-1")).out,
        "tables-1 is not draining any more: it may get shards, joiners and trainers of its roles\n",
      );
      await world.run("drain", "tables-2");
      const stuck = await world.run("drain", "tables-1");
      assert.equal(
        stuck.out,
        "tables-1 is draining: 0 of 4 shards can leave it; start another host with shards, or undrain tables-2\n",
      );
      assert.equal(
        stuck.err,
        "shards 0, 1, 2, 3 cannot leave: tables-1 is draining, and no host is up that may own shards\n",
      );
      assert.match(
        (await world.run("plan")).err,
        /^4 shards cannot move until a host has the role and room$/m,
      );
      await world.run("undrain", "tables-1");
      assert.match((await world.run("status")).out, /^tables-1 {2}up/m);
      const unknown = await world.run("drain", "tables-9");
      assert.equal(unknown.code, 1);
      assert.match(unknown.err, /no host "tables-9"; the mesh has .*tables-1, tables-2/);
    }),
});

Deno.test({
  name: "drain --wait fails, and says what to do, when no other host can take what is left",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.match(
        (await world.run("drain", "learn-1")).out,
        /^learn-1 is draining: (\d joiners? and )?\d (joiner|trainer)s? leaves? it$/m,
      );
      await world.run("undrain", "learn-1");
      const idle = await world.run("drain", "learn-2");
      assert.equal(idle.out, "learn-2 is draining: nothing leaves it\n");
      const partitions = await world.run("drain", "learn-1", "--wait");
      assert.equal(partitions.code, 1);
      assert.match(
        partitions.err,
        /learn-1 is not empty: [a-z]+ \d.* cannot leave\. Start another host with the roles (joiner, trainer|trainer, joiner), or undrain learn-2, and run this command again; or stop learn-1 all the same/,
      );
      await world.run("drain", "tables-2");
      const shards = await world.run("drain", "tables-1", "--wait");
      assert.equal(shards.code, 1);
      assert.match(
        shards.err,
        /tables-1 is not empty: 4 shards cannot leave\. Start another host with shards and room for them, or undrain tables-2, and run this command again\./,
      );
      assert.equal((await world.run("drain", "tables-2", "--wait")).code, 0, "it has nothing");
    }),
});

Deno.test({
  name: "drain --wait waits for what is on its way to the host",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.copy("shard/0", "tables-2");
      const drained = await world.run("drain", "tables-2");
      assert.equal(
        drained.out,
        "tables-2 is draining: nothing leaves it; 1 shard on the way to it stays where it is\n",
      );
      assert.match(
        (await world.run("explain", "shard", "0")).out,
        /tables-2 is draining: its move/,
      );
      assert.equal(JSON.parse((await world.run("drain", "tables-2", "--json")).out).arriving, 1);
      const early = await world.run("drain", "tables-2", "--timeout", "10ms");
      assert.deepEqual([early.code, /not done within/.test(early.err)], [1, true], early.err);
      const waits = world.run("drain", "tables-2", "--wait");
      await world.giveUp("shard/0");
      const { code, err } = await waits;
      assert.deepEqual([code, err], [0, ""]);
    }),
});

Deno.test({
  name: "drain --wait fails when another command ends the drain",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const waits = world.run("drain", "tables-1", "--wait");
      await world.shows(/^tables-1 {2}draining/m);
      assert.equal((await world.run("undrain", "tables-1")).code, 0);
      const { code, err } = await waits;
      assert.deepEqual(
        [code, /tables-1 is not draining any more: another/.test(err)],
        [1, true],
        err,
      );
    }),
});

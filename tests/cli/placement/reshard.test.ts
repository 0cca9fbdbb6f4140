/**
 * `cairn reshard`: another number of shards.
 */
import assert from "node:assert/strict";
import { ignore, withWorld } from "./joined_hosts.ts";

Deno.test({
  name: "another number of shards is planned, asked for, shown, and given up",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      world.write(["shards: { count: 4 }", "shards: { count: 8 }"]);
      const plan = await world.run("plan");
      assert.equal(plan.code, 2);
      assert.match(
        plan.out,
        /^4 -> 8 shards: 4,000 rows, 40 MiB, of which the new shards read 80 MiB from a snapshot$/m,
      );
      assert.match(plan.out, /^tables-2 {2}0 -> 4 shards$/m);
      assert.match(plan.out, /^training stands still for about 1 s; rankings go on, and each /m);
      const due =
        /^shards.count is 8, and the mesh has 4 shards: cairn reshard --shards 8 changes it$/m;
      assert.match(plan.err, due);
      const apply = await world.run("apply");
      assert.deepEqual([apply.code, due.test(apply.err)], [2, true], apply.err);
      await world.run("cancel");
      const planned = JSON.parse((await world.run("plan", "--json")).out).reshard;
      assert.deepEqual([planned.from, planned.to, planned.unplaced], [4, 8, 0]);

      assert.equal((await world.run("reshard", "--if-version", "1000")).code, 1);
      const asked = await world.run("reshard");
      assert.equal(asked.code, 0, asked.err);
      assert.match(asked.out, /^4 -> 8 shards/);
      assert.match((await world.run("status")).out, /^4 -> 8 shards: a snapshot is taken$/m);
      const other = await world.run("reshard", "--shards", "6");
      assert.equal(other.code, 1);
      assert.match(
        other.err,
        /a change from 4 to 8 shards is under way already; wait for it, or end/,
      );
      assert.match((await world.run("cancel")).out, /ends; the mesh keeps 4 shards$/m);
      assert.match((await world.run("status")).out, /^4 -> 8 shards: cancelled$/m);
    }),
});

Deno.test({
  name: "a number of shards that the mesh cannot have is refused with those that it can have",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      for (const shards of ["0", "1025", "many"]) {
        const { code, err } = await world.run("reshard", "--shards", shards);
        assert.equal(code, 1);
        assert.match(err, /a whole number from 1 to 1,?024/);
      }
      const same = await world.run("reshard", "--shards", "4");
      assert.equal(same.code, 1);
      assert.match(same.err, /The number of shards stays as it is: the mesh has 4 shards already/);
      const small = await world.run("reshard", "--shards", "128");
      assert.equal(small.code, 1);
      assert.match(small.err, /64MiB over 128 shards is 0.5MiB a shard, and a table needs 1MiB/);
      const unapplied = await world.run("apply");
      assert.equal(unapplied.code, 0);
      const moving = await world.run("reshard", "--shards", "8");
      assert.equal(moving.code, 1);
      assert.match(moving.err, /a plan of moves is under way; wait for its end, or end it by/);
    }),
});

Deno.test({
  name: "reshard again waits for the change that is asked for, or has begun",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const again = ["reshard", "--shards", "8", "--timeout", "50ms"];
      const late = /^error: It is not done within 50ms/m;
      for (let time = 0; time < 2; time++) {
        const { code, err } = await world.run(...again);
        assert.deepEqual([code, late.test(err)], [1, true], err);
        assert.match(err, /^a snapshot is taken$/m);
      }
      await world.begin("shards");
      const begun = await world.run(...again);
      assert.equal(begun.out, "4 -> 8 shards: 8 shards and 2 trainers are not ready yet\n");
      assert.deepEqual([begun.code, late.test(begun.err)], [1, true], begun.err);
      const { state, to } = JSON.parse((await world.run("reshard", "--shards", "8", "--json")).out);
      assert.deepEqual([state, to], ["begun", 8]);
    }),
});

Deno.test({
  name: "commands that wait for a snapshot say why it fails",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const newestAtMs = Date.now() - 600_000;
      const failure = { reason: "No space left on device", newestAtMs };
      await world.tell("learn-1", { snapshotFailure: failure });
      const asked = await world.run("reshard", "--shards", "8", "--timeout", "50ms");
      const step = "a snapshot is taken, and the last attempt has failed: No space left on device";
      assert.match(asked.err, new RegExp(`^${step}$`, "m"));
      const { out } = await world.run("status");
      assert.match(out, new RegExp(`^4 -> 8 shards: ${step}$`, "m"));
      assert.match(
        out,
        /^the last attempt to take a snapshot on host learn-1 has failed, and the newest one is 6\d\d s old: No space left on device$/m,
      );
      const plan = await world.run("plan");
      assert.match(
        plan.err,
        /begins after a snapshot; cairn cancel ends it\nthe last attempt .* has failed, .*: No space left on device$/m,
      );
      const holding = new RegExp(
        `^no shard moves before .*, which cairn cancel ends: 4 -> 8 shards: ${step}$`,
        "m",
      );
      assert.match((await world.run("explain", "shard", "0")).out, holding);
      const drain = await world.run("drain", "tables-1", "--timeout", "50ms");
      assert.match(drain.err, holding);
      const waits = world.launch("reshard", "--shards", "8", "--wait");
      await waits.says(/has failed: No space left/);
      await world.tell("learn-1", { snapshotFailure: { ...failure, reason: "No inode left" } });
      await world.shows(/No inode left$/m);
      await world.tell("learn-1", {});
      await waits.says(/^a snapshot is taken$/m);
      assert.equal((await world.run("cancel")).code, 0);
      const lines = (await waits.ended).err.split("\n").filter((line) => /has failed/.test(line));
      assert.equal(lines.length, 1, "an attempt that fails in another way is not told again");
      await world.run("reshard", "--shards", "8");
      assert.match((await world.run("status")).out, /^4 -> 8 shards: a snapshot is taken$/m);
    }),
});

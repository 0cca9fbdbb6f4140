/**
 * Another number of trainers: planned, applied, given up and refused.
 */
import assert from "node:assert/strict";
import { ignore, withWorld } from "./joined_hosts.ts";

Deno.test({
  name: "another number of trainers is planned, applied with the moves, shown, and given up",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const one = ["--set", "trainer.count=1"];
      const plan = await world.run("plan", ...one);
      assert.equal(plan.code, 2);
      assert.match(plan.out, /^2 -> 1 trainers\nlearn-1 {2}2 -> 1 trainers\nlearn-2 {2}0 -> 0 tr/m);
      assert.match(
        plan.out,
        /^training stands still while the trainers begin again at a snapshot/m,
      );
      assert.match(
        plan.err,
        /^trainer.count is 1, and the mesh has 2 trainers: cairn apply chang/m,
      );
      assert.match(plan.err, /^2 shards and 1 joiner would move, /m, "trainers are dealt anew");
      const { trainers } = JSON.parse((await world.run("plan", "--json", ...one)).out);
      assert.deepEqual([trainers.from, trainers.to, trainers.unplaced], [2, 1, 0]);

      const applied = await world.run("apply", ...one);
      assert.equal(applied.code, 0, applied.err);
      assert.match(applied.out, /^2 -> 1 trainers\n[^]*^2 shards and 1 joiner move, at most 2 of/m);
      const status = await world.run("status");
      assert.match(
        status.out,
        /^2 -> 1 trainers: a snapshot is taken\nlast plan: active, 3 moves$/m,
      );
      const other = await world.run("reshard", "--shards", "6");
      assert.match(
        other.err,
        /a change from 2 to 1 trainers is under way already; wait for it, or end it/,
      );
      const again = await world.run("plan", ...one);
      assert.match(
        again.err,
        /^a change from 2 to 1 trainers is asked for, .* snapshot; cairn cancel/m,
      );
      assert.doesNotMatch(again.err, /cairn apply changes it/);
      const cancelled = await world.run("cancel");
      assert.match(
        cancelled.out,
        /^the change from 2 to 1 trainers ends; the mesh keeps 2 trainers$/m,
      );
      assert.match(cancelled.err, /^the plan of moves goes on: another cairn cancel ends it$/m);
      assert.match(
        (await world.run("status")).out,
        /^2 -> 1 trainers: cancelled\nlast plan: active, 3 moves$/m,
      );
      assert.match((await world.run("cancel")).out, /^the plan ends; cairn status shows/m);
    }),
});

Deno.test({
  name: "a file that went back to the mesh's trainers is told of the change that was asked for",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.equal((await world.run("apply", "--set", "trainer.count=1")).code, 0);
      const plan = await world.run("plan");
      assert.equal(plan.code, 2);
      assert.match(
        plan.err,
        /^a change from 2 to 1 trainers is asked for, .* snapshot; cairn cancel/m,
      );
      const { asked } = JSON.parse((await world.run("plan", "--json")).out);
      assert.deepEqual([asked.parts, asked.from, asked.to], ["trainers", 2, 1]);
      const applied = await world.run("apply");
      assert.equal(applied.code, 1);
      assert.match(
        applied.err,
        /Nothing is applied: a change from 2 to 1 trainers is asked for, and trainer.count is 2/,
      );
      assert.match(
        (await world.run("cancel")).out,
        /^the change from 2 to 1 trainers ends; the mesh keeps 2 trainers$/m,
      );
      assert.equal((await world.run("apply")).code, 0);
    }),
});

Deno.test({
  name: "trainers do not change before a change of shards is done, whose steps status shows",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.equal((await world.run("reshard", "--shards", "8")).code, 0);
      await world.begin("shards");
      const applied = await world.run("apply", "--set", "trainer.count=1");
      assert.equal(applied.code, 1);
      assert.match(
        applied.err,
        /Nothing is applied: the change from 4 to 8 shards is not done \(8 shards and 2 trainers are /,
      );
      assert.match(
        applied.err,
        /; or give the parts .* by cairn drain; or where trainers cannot .* --override REASON\.$/m,
      );
      assert.match((await world.run("status")).out, /^4 -> 8 shards: 8 shards and 2 trainers are/m);
    }),
});

Deno.test({
  name: "an override changes the trainers although an earlier change is not done",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.equal((await world.run("apply", "--set", "trainer.count=1")).code, 0);
      await world.begin("trainers");
      const back = ["apply", "--set", "trainer.count=2"];
      assert.match((await world.run(...back)).err, /\(1 trainer is not ready yet\): wait/);
      assert.equal((await world.run(...back, "--override", " ")).code, 1);
      const applied = await world.run(...back, "--override", "trainer 0 has no memory");
      assert.equal(applied.code, 0, applied.err);
      assert.match(
        (await world.run("status")).out,
        /^1 -> 2 trainers: begins, without a snapshot \(trainer 0 has no memory\)$/m,
      );
      assert.match(
        (await world.run("plan")).err,
        /from 1 to 2 trainers is asked for, and begins without a snapshot; cairn cancel ends it/,
      );
      const same = await world.run("apply", "--set", "trainer.count=1", "--override", "x");
      assert.match(same.err, /a change from 1 to 2 trainers is asked for, and trainer.count is 1/);
      await world.run("cancel");
      assert.match((await world.run("status")).out, /^1 -> 2 trainers: cancelled$/m);
      const again = await world.run("apply", "--set", "trainer.count=1", "--override", "x");
      assert.match(
        again.err,
        /has 1 trainers already, and --override is for another trainer.count/,
      );
      const partitions = ["--set", "trainer.partitions=4", "--override", "x"];
      assert.match(
        (await world.run("apply", ...partitions)).err,
        /--override changes trainer.count alone. Set joiner.partitions to 2 and trainer.partitions/,
      );
    }),
});

Deno.test({
  name: "a file with more trainers than partitions is refused",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const more = await world.run(
        "plan",
        "--set",
        "trainer.count=3",
        "--set",
        "trainer.partitions=2",
      );
      assert.equal(more.code, 1);
      assert.match(more.err, /found 3, and trainer.partitions is 2, so some trainers would have/);
    }),
});

Deno.test({
  name: "apply again waits for the change of trainers that has begun",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.applyMoves();
      await world.endPlan();
      const again = ["apply", "--set", "trainer.count=1", "--timeout", "50ms"];
      assert.match((await world.run(...again)).err, /^a snapshot is taken\nerror: It is not done/);
      await world.begin("trainers");
      const begun = await world.run(...again);
      assert.deepEqual([begun.code, begun.out], [
        1,
        "2 -> 1 trainers: 1 trainer is not ready yet\n",
      ]);
      assert.match(begun.err, /^1 trainer is not ready yet\nerror: It is not done within 50ms/);
    }),
});

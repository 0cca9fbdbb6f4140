/**
 * Other numbers of partitions: planned, applied, explained, given up and refused.
 */
import assert from "node:assert/strict";
import { ignore, withWorld } from "./joined_hosts.ts";

const three = ["--set", "joiner.partitions=3"];

Deno.test({
  name: "other partitions are planned, applied with the moves of shards, shown, and given up",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const plan = await world.run("plan", ...three);
      assert.equal(plan.code, 2);
      assert.match(
        plan.out,
        /^2 -> 3 partitions of the event log, 2 -> 3 partitions of the example log\nlearn-1 {2}2 -> 2 joiners\nlea/m,
      );
      assert.match(
        plan.out,
        /^a snapshot is taken, then the former joiners read their partitions/m,
      );
      assert.match(
        plan.err,
        /^joiner.partitions is 3 and trainer.partitions 3, and the mesh has 2 and 2: cairn apply/m,
      );
      assert.match(plan.err, /^2 shards would move, /m, "joiners and trainers are given anew");
      const { partitions } = JSON.parse((await world.run("plan", "--json", ...three)).out);
      assert.deepEqual(partitions.to, { events: 3, examples: 3 });

      const applied = await world.run("apply", ...three);
      assert.equal(applied.code, 0, applied.err);
      assert.match(applied.out, /^2 -> 3 partitions of [^]*^2 shards move, at most 2 of a kind/m);
      const status = await world.run("status");
      assert.match(
        status.out,
        /^2 -> 3 partitions of the event log, 2 -> 3 partitions of the example log: a snapshot is taken$/m,
      );
      const other = await world.run("apply", "--set", "joiner.partitions=4");
      assert.match(
        other.err,
        /a change from 2 to 3 partitions of the event log and .* is under way already; wait for it/,
      );
      const back = await world.run("apply");
      assert.match(
        back.err,
        /Nothing is applied: a change from 2 to 3 partitions .* is asked for, and joiner.partitions is 2 and tr/,
      );
      const cancelled = await world.run("cancel");
      assert.match(
        cancelled.out,
        /log ends; the mesh keeps 2 partitions of the event log and 2 partitions of the example log$/m,
      );
      assert.match(
        (await world.run("status")).out,
        / 2 -> 3 partitions of the example log: cancelled$/m,
      );
    }),
});

Deno.test({
  name: "after a change the joiners before and the new ones are explained by their numbers",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      assert.equal((await world.run("apply", ...three)).code, 0);
      await world.begin("partitions");
      const status = JSON.parse((await world.run("status", "--json")).out);
      assert.deepEqual(status.partitions, { events: 3, examples: 3 });
      assert.deepEqual(status.reshard.step, {
        kind: "restoring",
        shards: 0,
        trainers: 2,
        joiners: 5,
      });
      assert.match(
        (await world.run("status")).out,
        / 2 -> 3 partitions of the example log: 5 joiners and 2 trainers are not ready yet$/m,
      );
      assert.match(
        (await world.run("explain", "joiner", "1")).out,
        /^joiner 1 is .*learn-1/m,
      );
      assert.match((await world.run("explain", "joiner", "4")).out, /^joiner 4 is unassigned/m);
      assert.match((await world.run("explain", "trainer", "1")).out, /^reads partitions 1, 3 of/m);
      const none = await world.run("explain", "joiner", "5");
      assert.match(none.err, /There is no joiner 5: the mesh has 0 to 4/);
      const plan = await world.run("plan", ...three);
      assert.doesNotMatch(plan.err, /cairn apply changes them/);
    }),
});

Deno.test({
  name: "rollback names both numbers of partitions to go back to",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.applyMoves();
      const applied = await world.run("apply", ...three);
      assert.equal(applied.code, 0, applied.err);
      await world.endPlan();
      await world.begin("partitions");
      assert.match(
        (await world.run("rollback")).err,
        /to go back, set joiner.partitions to 2, trainer.partitions to 2 and run cairn apply/,
      );
    }),
});

Deno.test({
  name: "partitions that a mesh cannot take say what to do",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const more = await world.run(
        ...["apply", "--set", "joiner.partitions=1", "--set", "trainer.partitions=1"],
        ...["--set", "trainer.count=2"],
      );
      assert.equal(more.code, 1, "two trainers cannot share one partition");
      assert.equal((await world.run("apply", ...three)).code, 0);
      await world.begin("partitions");
      const again = await world.run("apply", "--set", "joiner.partitions=2");
      assert.equal(again.code, 1);
      assert.match(
        again.err,
        /is not done \(5 joiners and 2 trainers are not ready yet\): wait until cairn status/,
      );
    }),
});

Deno.test({
  name: "other partitions and another number of trainers are applied in one step",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      // Without trainer.partitions their number follows that of the trainers.
      const four = ["--set", "trainer.count=4"];
      const plan = await world.run("plan", ...four);
      assert.match(plan.out, /^2 -> 4 trainers$/m);
      assert.match(plan.out, /^2 -> 4 partitions of the example log$/m);
      const applied = await world.run("apply", ...four);
      assert.equal(applied.code, 0, applied.err);
      assert.match(applied.out, /^2 -> 4 partitions of the example log\n[^]*^2 -> 4 trainers$/m);
      const status = await world.run("status");
      assert.match(
        status.out,
        /^2 -> 4 partitions of the example log, 2 -> 4 trainers: a snapshot is taken$/m,
      );
      const again = await world.run("plan", ...four);
      assert.doesNotMatch(again.err, /cairn apply\s+changes/, "all of it is asked for");
      const more = await world.run("plan", "--set", "trainer.partitions=8");
      assert.match(more.err, /trainer.partitions 8, and the mesh has 2 and 2: cairn apply changes/);
      await world.begin("partitions");
      const { trainers, partitions } = JSON.parse((await world.run("status", "--json")).out);
      assert.deepEqual([trainers, partitions], [4, { events: 2, examples: 4 }]);
    }),
});

/**
 * `cairn apply`, `cancel` and `rollback` of a plan of moves.
 */
import assert from "node:assert/strict";
import { ignore, withWorld } from "./joined_hosts.ts";

Deno.test({
  name: "a plan is applied at its version, cancelled, and rolled back",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { version } = JSON.parse((await world.run("status", "--json")).out);
      const late = await world.run("apply", "--if-version", String(version + 1));
      assert.equal(late.code, 1);
      assert.match(late.err, /is at version \d+, not \d+: look at cairn plan again/);
      assert.equal((await world.run("rollback")).code, 1, "there is no plan yet");

      const applied = await world.run("apply", "--if-version", String(version), "--max-moves", "1");
      assert.deepEqual([applied.code, applied.out], [
        0,
        "2 shards, 1 joiner and 1 trainer move, at most 1 of a kind at a time\n",
      ]);
      assert.match((await world.run("status")).out, /last plan: active, 4 moves/);
      assert.equal((await world.run("cancel")).code, 0);
      assert.match((await world.run("status")).out, /last plan: cancelled, 4 moves/);
      assert.match((await world.run("cancel")).err, /The plan is cancelled already/);
      assert.equal((await world.run("rollback")).out, "there is nothing to move\n");
    }),
});

Deno.test({
  name: "cancel names a joiner that has its new owner already, and rollback moves it back",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.move({ "shard/2": "tables-2", "shard/3": "tables-2" });
      const { moves } = JSON.parse((await world.run("apply", "--json")).out);
      const joiner = moves.find(({ key }: { key: string }) => key.startsWith("events/"));
      assert.deepEqual([joiner.from, joiner.to], ["learn-1", "learn-2"]);
      await world.move({ [joiner.key]: "learn-2" }, { begins: true });
      const cancelled = await world.run("cancel");
      assert.match(
        cancelled.err,
        /^joiner \d has its new owner learn-2 already: cairn rollback moves it back$/m,
      );
      const back = JSON.parse((await world.run("rollback", "--json")).out);
      assert.deepEqual(back.moves, [{ key: joiner.key, from: "learn-2", to: "learn-1" }]);
    }),
});

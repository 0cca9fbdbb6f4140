/**
 * `cairn apply`, `cancel` and `rollback` of a plan of moves.
 */
import assert from "node:assert/strict";
import { PLAN_FORMAT, type PlannedMove } from "../../../mesh/placement/plan_document.ts";
import type { PlacedKey } from "../../../mesh/ports/coordination.ts";
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
      assert.match((await world.run("rollback")).out, /^there is nothing to move back: no part of/);
    }),
});

Deno.test({
  name: "a cancel after a drain names the command that ends the drain",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.run("drain", "tables-2");
      assert.match(
        (await world.run("cancel")).err,
        /No plan was applied to this mesh yet\. A drain is no plan: cairn undrain tables-2 ends it\.$/m,
      );
      await world.run("undrain", "tables-2");
      assert.match((await world.run("cancel")).err, /No plan was applied to this mesh yet\.$/m);
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

Deno.test({
  name: "hosts that even out by themselves do not after a rollback or a cancel, until an apply",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      world.write(["  balance: false\n", ""]);
      const held = /^the hosts do not even out by themselves after cairn rollback or cairn cancel/m;
      const isHeld = async () => JSON.parse((await world.run("status", "--json")).out).held;
      await world.join();
      await world.applyMoves();
      assert.equal(await isHeld(), false);
      assert.doesNotMatch((await world.run("status")).out, held);

      const back = await world.run("rollback");
      assert.deepEqual([back.code, held.test(back.err)], [0, true], back.err);
      assert.match((await world.run("status")).out, held);
      await world.move({
        ...{ "shard/0": "tables-1", "shard/1": "tables-1", "shard/2": "tables-1" },
        ...{ "shard/3": "tables-1", "events/0": "learn-1", "events/1": "learn-1" },
        ...{ "trainer/0": "learn-1", "trainer/1": "learn-1" },
      });
      await world.endPlan();
      assert.equal(await isHeld(), true);
      const plan = await world.run("plan");
      assert.deepEqual([plan.code, held.test(plan.err)], [2, true], plan.err);

      await world.applyMoves();
      assert.equal(await isHeld(), false, "the next apply ends it");
      assert.match((await world.run("cancel")).err, held);
      assert.equal(await isHeld(), true);
      const even = await world.run("apply");
      assert.deepEqual([even.code, even.out], [0, "there is nothing to move\n"]);
      assert.match(even.err, /^the hosts even out by themselves again$/m);
      assert.equal(await isHeld(), false);

      world.write();
      assert.equal((await world.run("rollback")).code, 0);
      assert.equal(await isHeld(), false, "with balance: false they never do");
    }),
});

Deno.test({
  name: "a rollback before the first move ends the plan, and holds the hosts until an apply",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      world.write(["  balance: false\n", ""]);
      await world.join();
      assert.equal((await world.run("apply")).code, 0);
      const back = await world.run("rollback");
      assert.deepEqual([back.code, back.out], [
        0,
        "there is nothing to move back: no part of the last plan is at its new host\n",
      ]);
      assert.match(back.err, /^the plan before ends: parts that it has not begun to move stay$/m);
      assert.match(back.err, /^the hosts do not even out by themselves after cairn rollback/m);
      const status = await world.run("status", "--json");
      const { held, plan } = JSON.parse(status.out);
      assert.deepEqual([held, plan.state, plan.moves], [true, "done", []]);
      const again = await world.run("rollback", "--json");
      assert.deepEqual([again.code, again.out], [0, '{"moves":[]}\n'], "nothing is left to end");
      assert.match((await world.run("apply")).err, /^the hosts even out by themselves again$/m);
      assert.equal(JSON.parse((await world.run("status", "--json")).out).held, false);
    }),
});

Deno.test({
  name: "a rollback ends copies of shards that the plan has begun",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { moves } = JSON.parse((await world.run("apply", "--json")).out);
      const { key, from, to } = moves.find(({ key }: { key: string }) => key.startsWith("shard/"));
      await world.copy(key, to);
      const back = JSON.parse((await world.run("rollback", "--json")).out);
      assert.deepEqual(back.moves, [{ key, from: to, to: from }]);
    }),
});

Deno.test({
  name: "an apply that moves nothing replaces the rollback that is under way",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      world.write(["  balance: false\n", ""]);
      await world.join();
      await world.applyMoves();
      assert.equal((await world.run("rollback")).code, 0);
      assert.match((await world.run("status")).out, /last plan: active, 4 moves/);
      const applied = await world.run("apply");
      assert.deepEqual([applied.code, applied.out], [0, "there is nothing to move\n"]);
      assert.match(
        applied.err,
        /^the plan before ends: parts that it has not begun to move stay$/m,
      );
      assert.match(applied.err, /^the hosts even out by themselves again$/m);
      const { held, plan } = JSON.parse((await world.run("status", "--json")).out);
      assert.deepEqual([held, plan.moves], [false, []]);
    }),
});

Deno.test({
  name: "a wait ends with an error when its time is over, and the plan goes on",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const over =
        /^error: It is not done within 50ms\. The hosts go on with it: see cairn status\./m;
      for (const command of [["apply"], ["drain", "tables-1"]]) {
        const late = await world.run(...command, "--timeout", "50ms");
        assert.deepEqual([late.code, over.test(late.err)], [1, true], late.err);
      }
      assert.match((await world.run("status")).out, /last plan: active, 4 moves/);
      const wrong = await world.run("apply", "--timeout", "soon");
      assert.deepEqual([wrong.code, /a duration such as 90s/.test(wrong.err)], [1, true]);
    }),
});

Deno.test({
  name: "a plan is applied although hosts have to be restarted for other sections",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const applied = await world.run("apply", "--set", "joiner.window=3s");
      assert.equal(applied.code, 2, "a change is left");
      assert.match(applied.out, /^2 shards, 1 joiner and 1 trainer move, /);
      assert.match(
        applied.err,
        /run with other joiner, which hosts take when they start: restart the hosts with this file/,
      );
    }),
});

Deno.test({
  name: "rollback reverses no plan that is older than a change of trainers",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.applyMoves();
      const applied = await world.run("apply", "--set", "trainer.count=1");
      assert.match(applied.out, /^2 -> 1 trainers\n/);
      assert.doesNotMatch(applied.out, /at a time/, "no part moves");
      const asked = await world.run("rollback");
      assert.equal(asked.code, 1);
      assert.match(
        asked.err,
        /Nothing is moved back: the last command is a change from 2 to 1 trainers, which moves no part. cairn cancel ends it/,
      );
      await world.endPlan();
      assert.match((await world.run("rollback")).err, /Nothing is moved back: the last command is/);
      await world.begin("trainers");
      assert.match(
        (await world.run("rollback")).err,
        /moves no part; to go back, set trainer.count to 2 and run cairn apply/,
      );
    }),
});

Deno.test({
  name: "rollback reverses the plan before a change that was cancelled",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { moves } = JSON.parse((await world.run("apply", "--json")).out);
      const joiner = moves.find(({ key }: { key: string }) => key.startsWith("events/"));
      await world.move({ [joiner.key]: joiner.to });
      assert.equal((await world.run("cancel")).code, 0);
      assert.equal((await world.run("reshard", "--shards", "8")).code, 0);
      assert.match(
        (await world.run("rollback")).err,
        /the last command is a change from 4 to 8 shards, which moves no part. cairn cancel/,
      );
      assert.equal((await world.run("cancel")).code, 0);
      const back = JSON.parse((await world.run("rollback", "--json")).out);
      assert.deepEqual(back.moves, [{ key: joiner.key, from: joiner.to, to: joiner.from }]);
    }),
});

Deno.test({
  name: "rollback again joins the one under way, goes on with a cancelled one, and undoes none",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      await world.applyMoves();
      const first = JSON.parse((await world.run("rollback", "--json")).out);
      assert.equal(first.moves.length, 4);
      const again = await world.run("rollback", "--json", "--timeout", "50ms");
      assert.deepEqual(JSON.parse(again.out), first);
      assert.match(
        again.err,
        /^the plan is under way already\n0 of 4 moves are done\nerror: It is/,
      );
      const [made, ...left] = first.moves;
      await world.move({ [made.key]: made.to });
      assert.equal((await world.run("cancel")).code, 0);
      const resumed = JSON.parse((await world.run("rollback", "--json")).out);
      assert.deepEqual(resumed.moves, left);
      await world.move(Object.fromEntries(
        left.map(({ key, to }: { key: string; to: string }) => [key, to]),
      ));
      assert.equal((await world.run("rollback")).out, "all moves of the plan are made\n");
      await world.endPlan();
      const done = await world.run("rollback", "--wait");
      assert.deepEqual([done.code, done.out], [0, "the plan is rolled back already\n"]);
      assert.match((await world.run("status")).out, /last plan: done, 3 moves/);
    }),
});

Deno.test({
  name: "apply --wait fails when another command ends its plan",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      for (
        const [command, why] of [
          ["cancel", /^error: The plan was cancelled\.$/m],
          [
            "rollback",
            /^error: The plan has not been carried out: another one has replaced it\.$/m,
          ],
        ] as const
      ) {
        const waits = world.run("apply", "--wait");
        await world.shows(/last plan: active, 4 moves/);
        assert.equal((await world.run(command)).code, 0);
        const { code, err } = await waits;
        assert.deepEqual([code, why.test(err)], [1, true], err);
      }
    }),
});

Deno.test({
  name: "apply --wait fails when recover gives its parts up, and the same plan again is a new one",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      Deno.mkdirSync(`${world.folder}/data`);
      const waits = world.run("apply", "--wait");
      await world.shows(/last plan: active, 4 moves/);
      assert.equal((await world.run("recover", "--accept-loss")).code, 0);
      const { code, err } = await waits;
      const said =
        /error: The plan has ended: 3 of its 4 moves, made or not, are of parts that the mesh has/;
      assert.deepEqual([code, said.test(err)], [1, true], err);
      assert.match(
        (await world.run("status")).out,
        /last plan: active, 4 moves, 3 of them of parts that the mesh has given up since$/m,
      );
      const again = await world.run("apply", "--wait");
      assert.deepEqual([again.code, again.out], [0, "there is nothing to move\n"], again.err);
      await world.endPlan();
      assert.match((await world.run("status")).out, /last plan: incomplete, 4 moves, 3 of them/);
    }),
});

Deno.test({
  name: "apply --wait fails where moves could not be made, and status names their parts",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const waits = world.run("apply", "--wait");
      await world.shows(/last plan: active, 4 moves/);
      const { plan } = JSON.parse((await world.run("status", "--json")).out);
      const [first, ...others] = plan.moves as { key: string; to: string }[];
      await world.move(Object.fromEntries(others.map(({ key, to }) => [key, to])));
      await world.endPlan();
      const { code, err } = await waits;
      const part = first.key.replace("/", " ");
      const said = `error: The plan has ended, and not all parts are on their new hosts: ${part}. `;
      assert.deepEqual([code, err.includes(said)], [1, true], err);
      const line = `last plan: incomplete, 4 moves, not on their new hosts: ${part}\n`;
      assert.ok((await world.run("status")).out.includes(line), line);
      assert.match((await world.run("cancel")).err, /^error: The plan has ended already\.$/m);
      assert.equal(JSON.parse((await world.run("apply", "--json")).out).moves.length, 1);
    }),
});

Deno.test({
  name: "apply again waits for the plan whose moves have all begun, and keeps what was made in it",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { edition, moves } = JSON.parse((await world.run("apply", "--json")).out);
      const isShard = ({ key }: { key: PlacedKey }) => key.startsWith("shard/");
      const others = moves.filter((move: PlannedMove) => !isShard(move));
      await world.move(Object.fromEntries(others.map(({ key, to }: PlannedMove) => [key, to])));
      const copies: PlannedMove[] = moves.filter(isShard);
      for (const { key, to } of copies) await world.copy(key, to);
      const again = await world.run("apply", "--json", "--timeout", "50ms");
      assert.deepEqual(JSON.parse(again.out), { edition, moves: copies });
      assert.match(
        again.err,
        /^the plan is under way already\n2 of 4 moves are done\nerror: It is/,
      );
      const back = JSON.parse((await world.run("rollback", "--json")).out);
      assert.equal(back.moves.length, 4, "also the parts that had moved before");
    }),
});

Deno.test({
  name: "a plan that replaces another one has the moves that this one has begun",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join();
      const { moves } = JSON.parse((await world.run("apply", "--json")).out);
      const { key, from, to }: PlannedMove = moves[0];
      assert.ok(key.startsWith("shard/"));
      await world.copy(key, to);
      const second = JSON.parse((await world.run("apply", "--json", "--max-moves", "1")).out);
      assert.equal(second.edition, 2);
      assert.deepEqual(second.moves[0], { key, from, to });
      const back = JSON.parse((await world.run("rollback", "--json")).out);
      assert.deepEqual(back.moves, [{ key, from: to, to: from }]);
    }),
});

Deno.test({
  name: "a plan that a host cannot read is not written, and status names one of another version",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.join({ planFormat: PLAN_FORMAT + 1 });
      const { code, out, err } = await world.run("apply", "--wait");
      assert.deepEqual([code, out], [1, ""]);
      assert.match(
        err,
        new RegExp(
          `has format ${PLAN_FORMAT}, and tables-2 \\(format ${PLAN_FORMAT + 1}\\) cannot`,
        ),
      );
      await world.writeOtherPlan();
      const status = await world.run("status");
      assert.match(
        status.out,
        /^last plan: of another version of the program, which this one cannot/m,
      );
    }),
});

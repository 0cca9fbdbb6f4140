/**
 * Goal: a mesh of real processes goes to more partitions and to fewer while users rank and act,
 * also where a host that joins and trains is killed in the middle: no request fails, scores are
 * never older than those before, and every event is one example that is learned. Method: real
 * processes over loopback sockets with a real Redis or Valkey server; the real commands.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { usersOfExamples, visits } from "./counted_visits.ts";
import { allPlaced, statusOf, withLearningHosts } from "./learning_hosts.ts";

const program = installedProgram();
const ignore = program === undefined;

Deno.test({
  name:
    "a plan shows other partitions, and apply changes them from 1 to 3, and to 2 with another trainer",
  ignore,
  async fn() {
    await withLearningHosts(program ?? "redis-server", async ({ client, redis, cairn }) => {
      const visiting = visits(client, { isMonotonic: true });
      await allPlaced(cairn);
      let before = 1;
      for (const [partitions, trainers] of [[3, 1], [2, 2]]) {
        const file = ["--set", `joiner.partitions=${partitions}`, "--set"];
        file.push(`trainer.count=${trainers}`);
        const plan = await cairn("plan", ...file);
        assert.equal(plan.code, 2, plan.err);
        assert.match(plan.out, new RegExp(`^${before} -> ${partitions} partitions`, "m"));
        assert.match(
          plan.err,
          new RegExp(`^joiner.partitions is ${partitions} .* cairn apply`, "m"),
        );
        const applied = await cairn("apply", "--wait", ...file);
        assert.equal(applied.code, 0, applied.err);
        assert.match(applied.err, /^done$/m);
        const status = await cairn("status");
        const change = `^${before} -> ${partitions} partitions of the event log.*: done$`;
        assert.match(status.out, new RegExp(change, "m"));
        assert.equal((await statusOf(cairn)).trainers, trainers);
        await visiting.further(20);
        before = partitions;
      }
      const { accepted, newestMs } = await visiting.stop();
      await client.rankFresh("user-0", ["left", "right"], newestMs);
      const users = await usersOfExamples(redis.url);
      assert.equal(users.length, accepted, "examples");
      assert.equal(new Set(users).size, accepted, "users of examples");
    }, { joiners: 1, trainers: 1 });
  },
});

Deno.test({
  name: "a mesh has the new partitions although a host that joins is killed meanwhile",
  ignore,
  async fn() {
    await withLearningHosts(program ?? "redis-server", async (world) => {
      const { client, redis, processes, cairn } = world;
      const visiting = visits(client);
      await allPlaced(cairn);
      const applied = await cairn("apply", "--set", "joiner.partitions=3");
      assert.equal(applied.code, 0, applied.err);
      const deadlineMs = performance.now() + 120_000;
      while ((await statusOf(cairn)).reshard.state !== "begun") {
        assert.ok(performance.now() < deadlineMs, "the change begins");
        await new Promise((end) => setTimeout(end, 20));
      }
      await processes.of("learn-1").kill("SIGKILL");
      for (;;) {
        const { restless, reshard, partitions } = await statusOf(cairn);
        const learns = restless.length === 0 && reshard.step.kind === "done";
        if (learns && !(await cairn("status")).out.includes("silent")) {
          assert.deepEqual(partitions, { events: 3, examples: 3 });
          break;
        }
        assert.ok(performance.now() < deadlineMs, JSON.stringify({ restless, reshard }));
        await new Promise((end) => setTimeout(end, 100));
      }
      const { accepted, newestMs } = await visiting.stop();
      await client.rankFresh("user-0", ["left", "right"], newestMs);
      const users = await usersOfExamples(redis.url);
      assert.equal(users.length, accepted, "examples");
      assert.equal(new Set(users).size, accepted, "users of examples");
    }, { lease: "4s" });
  },
});

/**
 * Goal: a mesh of real processes goes to fewer trainers and to more while users rank and act, also
 * where a host with trainers is killed in the middle: no request fails, scores are never older than
 * those before, and every event is one example that is learned. Method: real processes over
 * loopback sockets with a real Redis or Valkey server; the real commands.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { assertEachLearnedOnce, visits } from "./counted_visits.ts";
import { allPlaced, statusOf, withLearningHosts } from "./learning_hosts.ts";

const program = installedProgram();
const ignore = program === undefined;

Deno.test({
  name: "a plan shows another number of trainers, and apply changes it under traffic",
  ignore,
  async fn() {
    await withLearningHosts(program ?? "redis-server", async ({ client, redis, cairn }) => {
      const visiting = visits(client, { isMonotonic: true });
      await allPlaced(cairn);
      for (const trainers of [1, 2]) {
        const file = ["--set", `trainer.count=${trainers}`];
        const plan = await cairn("plan", ...file);
        assert.equal(plan.code, 2, plan.err);
        const changed = trainers === 1 ? "2 -> 1 trainers" : "1 -> 2 trainers";
        assert.match(plan.out, new RegExp(`^${changed}$`, "m"));
        assert.match(
          plan.err,
          new RegExp(`^trainer.count is ${trainers}, and .* cairn apply`, "m"),
        );
        const applied = await cairn("apply", "--wait", ...file);
        assert.equal(applied.code, 0, applied.err);
        assert.match(applied.err, /^done$/m);
        assert.match((await cairn("status")).out, new RegExp(`^${changed}: done$`, "m"));
        const settled = await cairn("plan", ...file);
        assert.deepEqual([settled.code, settled.err], [0, ""], settled.out);
        await visiting.further(20);
      }
      await assertEachLearnedOnce(visiting, client, redis.url);
    });
  },
});

Deno.test({
  name: "a mesh has the new number of trainers although a host that trains is killed meanwhile",
  ignore,
  async fn() {
    const lease = "4s";
    await withLearningHosts(program ?? "redis-server", async (world) => {
      const { client, redis, processes, cairn } = world;
      const visiting = visits(client);
      await allPlaced(cairn);
      const applied = await cairn("apply", "--set", "trainer.count=1");
      assert.equal(applied.code, 0, applied.err);
      const deadlineMs = performance.now() + 60_000;
      while ((await statusOf(cairn)).reshard.state !== "begun") {
        assert.ok(performance.now() < deadlineMs, "the change begins");
        await new Promise((end) => setTimeout(end, 20));
      }
      await processes.of("learn-1").kill("SIGKILL");
      for (;;) {
        const { restless, reshard, trainers } = await statusOf(cairn);
        const learns = restless.length === 0 && reshard.step.kind === "done";
        if (learns && !(await cairn("status")).out.includes("silent")) {
          assert.equal(trainers, 1);
          break;
        }
        assert.ok(performance.now() < deadlineMs, JSON.stringify({ restless, reshard }));
        await new Promise((end) => setTimeout(end, 100));
      }
      const { hosts } = await statusOf(cairn);
      assert.deepEqual(
        hosts.flatMap(({ partitions }: { partitions: string[] }) => partitions).toSorted(),
        ["events/0", "events/1", "trainer/0"],
      );
      await assertEachLearnedOnce(visiting, client, redis.url);
    }, { lease });
  },
});

Deno.test({
  name: "rankings get what is learned after the host that carried it to them is lost for good",
  ignore,
  async fn() {
    await withLearningHosts(program ?? "redis-server", async (world) => {
      const { client, redis, processes, store, cairn } = world;
      const visiting = visits(client);
      await allPlaced(cairn);
      const carrierOf = async () => {
        const placement = (await store.read()).placements.get("trainer/0");
        return placement?.state === "active" ? placement.owner.host : undefined;
      };
      const carrier = await carrierOf();
      assert.ok(carrier === "learn-1" || carrier === "learn-2", carrier);
      await processes.of(carrier).kill("SIGKILL");
      await visiting.further(20);
      await assertEachLearnedOnce(visiting, client, redis.url);
      assert.notEqual(await carrierOf(), carrier);
      const other = carrier === "learn-1" ? "learn-2" : "learn-1";
      const taken = await cairn("reshard", "--shards", "2", "--wait");
      assert.equal(taken.code, 0, `${other} takes the snapshot: ${taken.err}`);
    }, { lease: "4s" });
  },
});

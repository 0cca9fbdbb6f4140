/**
 * Goal: `cairn apply` moves joiners and trainers between processes, and `cairn rollback` moves them
 * back, while users rank and act: no request fails, and every event is one example. Method: real
 * processes over loopback sockets with a real Redis or Valkey server; the real commands.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { assertEachLearnedOnce, visits } from "./counted_visits.ts";
import { type LearningHosts, withLearningHosts } from "./learning_hosts.ts";

const program = installedProgram();

/** The joiners and trainers of a host, as `cairn status` shows them. */
async function readersOf(cairn: LearningHosts["cairn"], name: string): Promise<string[]> {
  const { hosts } = JSON.parse((await cairn("status", "--json")).out);
  return hosts.find(({ host }: { host: string }) => host === name).partitions;
}

/** The plan once nothing is on its way any more. */
async function settledPlan(cairn: LearningHosts["cairn"]) {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const plan = await cairn("plan");
    if (!/began to move or to restore before/.test(plan.err)) return plan;
    assert.ok(performance.now() < deadlineMs, plan.err);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test({
  name: "a plan moves a joiner and a trainer under traffic, and a rollback moves them back",
  ignore: program === undefined,
  async fn() {
    await withLearningHosts(program ?? "redis-server", async ({ client, redis, cairn }) => {
      const visiting = visits(client);
      assert.equal((await cairn("drain", "learn-2", "--wait")).code, 0);
      assert.equal((await cairn("undrain", "learn-2")).code, 0);
      assert.deepEqual(await readersOf(cairn, "learn-2"), []);
      const plan = await settledPlan(cairn);
      assert.equal(plan.code, 2, plan.out);
      assert.match(plan.err, /^1 joiner and 1 trainer would move, in about 2 s; cairn apply/m);

      const applied = await cairn("apply", "--wait");
      assert.equal(applied.code, 0, applied.err);
      assert.match(applied.err, /^2 of 2 moves are done$/m);
      const moved = await readersOf(cairn, "learn-2");
      assert.deepEqual(moved.map((key) => key.split("/")[0]).toSorted(), ["events", "trainer"]);
      const settled = await cairn("plan");
      assert.deepEqual([settled.code, settled.err], [0, ""]);
      await visiting.further(20);

      const back = await cairn("rollback", "--wait");
      assert.equal(back.code, 0, back.err);
      assert.deepEqual(await readersOf(cairn, "learn-2"), []);
      await assertEachLearnedOnce(visiting, client, redis.url);
    });
  },
});

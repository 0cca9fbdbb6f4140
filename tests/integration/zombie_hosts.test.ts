/**
 * Goal: a host whose joiner and trainers stand still past its lease and then go on changes nothing
 * any more and ends by itself; every event is one example on either host. Method: real
 * processes over loopback sockets with a real Redis or Valkey server; SIGSTOP and SIGCONT.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import type { Coordination, PlacedKey } from "../../mesh/ports/coordination.ts";
import { assertEachLearnedOnce, visits } from "./counted_visits.ts";
import { withLearningHosts } from "./learning_hosts.ts";

const program = installedProgram();
const PARTITIONS: readonly PlacedKey[] = ["events/0", "trainer/0", "trainer/1"];

/** The host of each partition, once all are active and `condition` holds. */
async function ownersWhen(
  store: Coordination,
  condition: (owners: readonly string[]) => boolean,
): Promise<readonly string[]> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const { placements } = await store.read();
    const found = PARTITIONS.map((key) => placements.get(key));
    const owners = found.map((each) => each?.state === "active" ? each.owner.host : "none");
    if (!owners.includes("none") && condition(owners)) return owners;
    assert.ok(performance.now() < deadlineMs, JSON.stringify(found));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test({
  name:
    "a joiner and trainers that were paused past their lease end, and every event is learned once",
  ignore: program === undefined,
  async fn() {
    await withLearningHosts(program ?? "redis-server", async (world) => {
      const { processes, client, store, redis } = world;
      const visiting = visits(client);
      const [paused] = await ownersWhen(store, () => true);
      await visiting.further(50);
      processes.of(paused).signal("SIGSTOP");
      const owners = await ownersWhen(store, (owners) => !owners.includes(paused));
      assert.equal(new Set(owners).size, 1);
      await visiting.further(50);
      processes.of(paused).signal("SIGCONT");
      assert.equal(await processes.of(paused).ended(), 1);
      assert.match(processes.of(paused).said, /its lease expired, .*The process must stop/);
      await assertEachLearnedOnce(visiting, client, redis.url);
    }, { lease: "4s", joiners: 1 });
  },
});

/**
 * Goal: a mesh of real processes goes to more shards and to fewer while users rank and act, also
 * where a host with shards is killed in the middle: no ranking fails, freshness never falls, and
 * everything accepted is learned. Method: processes over loopback sockets with a real Redis or
 * Valkey server, and the command line.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { reshardStep } from "../../mesh/ports/reshard_progress.ts";
import type { MeshView } from "../../mesh/ports/coordination.ts";
import { pauseOfVisitors } from "./counted_visits.ts";
import { type TableHosts, withTableHosts } from "./table_hosts.ts";

const program = installedProgram();

async function viewWhen(
  store: TableHosts["store"],
  condition: (view: MeshView) => boolean,
  msMax = 60_000,
): Promise<MeshView> {
  const deadlineMs = performance.now() + msMax;
  for (;;) {
    const view = await store.read();
    if (condition(view)) return view;
    assert.ok(performance.now() < deadlineMs, JSON.stringify([...view.placements]));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const areActive = ({ placements }: MeshView) =>
  [...placements.values()].every(({ state }) => state === "active");

Deno.test({
  name: "a mesh of processes goes to more shards and to fewer while it serves",
  ignore: program === undefined,
  async fn() {
    await withTableHosts(
      program ?? "redis-server",
      async ({ processes, client, store, command }) => {
        let round = 0;
        let newest = 0;
        // Users are in different shards, whose marks do not come at one moment.
        const freshest = new Map<string, number>();
        let stopped = false;
        const visit = async () => {
          const user = `user-${round % 9}`;
          const { rankingId, learnedThroughMs } = await client.rank(user, ["left", "right"]);
          const before = freshest.get(user) ?? 0;
          assert.ok(
            learnedThroughMs >= before,
            `freshness of ${user} fell from ${before} to ${learnedThroughMs}`,
          );
          freshest.set(user, learnedThroughMs);
          const results = await client.post([
            { eventId: `e-${round}`, rankingId, item: "right", action: "click" },
          ]);
          round++;
          for (const { status, acceptedAtMs } of results) {
            assert.equal(status, "accepted");
            newest = Math.max(newest, acceptedAtMs);
          }
        };
        await viewWhen(store, areActive);
        await visit();
        await client.rankFresh("user-0", ["left", "right"], newest);
        const visits = (async () => {
          for (; !stopped; await pauseOfVisitors()) await visit();
        })();
        visits.catch(() => {});

        const grown = await command("reshard", "--shards", "7", "--wait");
        assert.match(grown, /^4 -> 7 shards: /);
        assert.match(grown, /done\n$/);
        assert.equal((await store.read()).identity.shards, 7);
        // On a busy machine visits could take the time that learning needs.
        stopped = true;
        await visits;
        stopped = false;
        await client.rankFresh("user-0", ["left", "right"], newest);
        assert.match(await command("status"), /^4 -> 7 shards: done$/m);

        // A takeover of lost shards may make scores older: freshness is not compared in this part.
        const others = (async () => {
          for (; !stopped; round++, await pauseOfVisitors()) {
            const { rankingId } = await client.rank(`user-${round % 9}`, ["left", "right"]);
            const [{ status, acceptedAtMs }] = await client.post([
              { eventId: `e-${round}`, rankingId, item: "right", action: "click" },
            ]);
            assert.equal(status, "accepted");
            newest = Math.max(newest, acceptedAtMs);
          }
        })();
        others.catch(() => {});
        await command("reshard", "--shards", "3");
        await viewWhen(store, ({ identity }) => identity.shards === 3);
        await processes.of("tables-2").kill("SIGKILL");
        const isDone = (view: MeshView) => areActive(view) && reshardStep(view)?.kind === "done";
        const { placements } = await viewWhen(store, isDone);
        for (const [key, placement] of placements) {
          if (!key.startsWith("shard/")) continue;
          assert.ok(placement.state === "active" && placement.owner.host === "tables-1", key);
        }
        stopped = true;
        await others;
        await client.rankFresh("user-0", ["left", "right"], newest);
        assert.ok(round > 20);
      },
    );
  },
});

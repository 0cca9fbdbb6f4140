/**
 * Goal: a feature keeper leaves a drained host with the joiner that it follows, with its features,
 * while users rank and act, and the drained host can be stopped. Method: real processes over
 * loopback sockets with a real Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";

const program = installedProgram();

const kept = `kept:
  budget: 2s
  features:
    clicked: { kind: history, action: click, last: 20 }
`;

const hosts = {
  program: program ?? "redis-server",
  roles: { edge: "serving, shards, trainer", "learn-1": "joiner", "learn-2": "joiner" },
  placement: "in one thread",
  snapshots: "2s",
  mesh: ["heartbeat: 200ms", "silence: 10s"],
  change: (small: string) => small + kept,
} as const;

Deno.test({
  name: "a feature keeper leaves a drained host with its joiner, and keeps its features",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis(hosts, async ({ processes, clients: [client], store, cairn }) => {
      const items = ["a", "b", "c", "d"];
      let events = 0;
      const click = async (item: string) => {
        const { rankingId } = await client.rank("ann", items);
        const eventId = `e-${events++}`;
        const [{ status }] = await client.post([{ eventId, rankingId, item, action: "click" }]);
        assert.equal(status, "accepted");
      };
      const rules = { exclude: [{ what: "click", withinSeconds: 3_600 }] };
      const candidates = items.map((id) => ({ id }));
      const notClicked = async () => {
        const request = { user: "ann", candidates, rules, learn: false };
        const ranking = await client.ask("/v1/rank", request);
        return ranking.items.map(({ id }) => id).sort().join();
      };
      const until = async (left: string) =>
        assert.ok(
          await eventually(async () => await notClicked() === left),
          `the items without a click are ${await notClicked()}, not ${left}`,
        );
      const ownerWhen = async (condition: (host: string) => boolean) => {
        let owner = "none";
        const isThere = await eventually(async () => {
          const joiner = (await store.read()).placements.get("events/0");
          owner = joiner?.state === "active" ? joiner.owner.host : "none";
          return owner !== "none" && condition(owner);
        });
        assert.ok(isThere, `the joiner is on ${owner}`);
        return owner;
      };

      const former = await ownerWhen(() => true);
      await click("a");
      await until("b,c,d");

      await store.setHostState(former, "draining");
      await click("b");
      const present = await ownerWhen((host) => host !== former);
      await until("c,d");
      const { code, out, err } = await cairn("explain", "keeper", "0");
      assert.equal(code, 0, out + err);
      assert.match(out, /keeper 0 follows joiner 0/);
      assert.match(out, new RegExp(`active on "${present}"`));

      // Nothing of the keeper is left there.
      assert.equal((await processes.of(former).kill("SIGTERM")).code, 0);
      await click("c");
      await until("d");
    });
  },
});

/**
 * Goal: recommendations, similar items, kept features and rules are the same at every serving host,
 * and go on while the host of the feature keeper is killed. Method: real processes over loopback
 * sockets with a real Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";
import type { Client } from "./small_mesh.ts";

const program = installedProgram();

const recommendations = `attributes: { item: { price: number } }
recommend:
  enabled: true
  sources: [model, popular, history]
  popularBy: clicks_hour
  historyBy: clicked
kept:
  budget: 2s
  features:
    clicked: { kind: history, action: click, last: 20 }
    clicks_hour: { kind: count, by: item, of: click, window: 1h }
    shown_hour: { kind: count, by: item, of: shown, window: 1h }
`;

const hosts = {
  program: program ?? "redis-server",
  roles: { "edge-1": "serving", "edge-2": "serving", learn: "joiner, trainer, shards" },
  placement: "in one thread",
  snapshots: "2s",
  mesh: ["heartbeat: 200ms", "silence: 10s"],
  change: (small: string) => small + recommendations,
} as const;

async function soon(condition: () => Promise<boolean>): Promise<void> {
  assert.ok(await eventually(condition), `not within its time: ${condition}`);
}

const ids = ({ items }: { readonly items: readonly { readonly id: string }[] }) =>
  items.map(({ id }) => id).sort();

Deno.test({
  name:
    "every host recommends the stored items by the same kept features, also after a keeper's end",
  ignore: program === undefined,
  async fn() {
    await withHostsOnRedis(hosts, async ({ processes, clients: [one, two] }) => {
      const items = Array.from({ length: 12 }, (_, i) => `i${i}`);
      await one.ask(
        "/v1/items",
        items.map((id, i) => ({ id, attributes: { tags: [i % 2 === 0 ? "a" : "b"], price: i } })),
      );
      const recommend = (client: Client, more = {}) =>
        client.ask("/v1/recommend", { user: "ann", limit: 12, ...more });
      for (const client of [one, two]) {
        await soon(async () => (await recommend(client)).items.length === 12);
        const similar = await client.ask("/v1/similar", { item: "i3", limit: 4, learn: false });
        assert.equal(similar.items.length, 4);
        const cheap = await recommend(client, { rules: { filter: "price < 4" }, learn: false });
        assert.deepEqual(ids(cheap), ["i0", "i1", "i2", "i3"]);
      }

      // Clicks on a ranking of one host, read at the other.
      let events = 0;
      const click = async (client: Client, item: string) => {
        const { rankingId } = await client.rank("ann", items);
        const eventId = `e-${events++}`;
        const [{ status }] = await client.post([{ eventId, rankingId, item, action: "click" }]);
        assert.equal(status, "accepted");
      };
      const without = { exclude: [{ what: "click", withinSeconds: 3_600 }] };
      const notClicked = async (client: Client) =>
        ids(await recommend(client, { rules: without, learn: false }));
      await click(one, "i3");
      await click(one, "i5");
      for (const client of [two, one]) {
        await soon(async () => (await notClicked(client)).length === 10);
        const again = await recommend(client, { sources: ["history"], learn: false });
        assert.deepEqual(ids(again), ["i3", "i5"]);
        // A list of popular items is at most a second old.
        await soon(async () => {
          const popular = await recommend(client, { sources: ["popular"], learn: false });
          return ids(popular).join() === "i3,i5";
        });
        const known = { filter: "clicks_hour > 0 && shown_hour > 1" };
        await soon(async () =>
          ids(await recommend(client, { rules: known, learn: false })).length === 2
        );
      }
      await one.ask("/v1/items", [{ id: "fresh", attributes: { tags: ["a"], price: 1 } }]);
      const newItems = { when: "shown_hour < 1", share: 1, top: 1 };
      await soon(async () => {
        const { items } = await recommend(two, { rules: { newItems }, learn: false });
        return items[0].id === "fresh";
      });

      await processes.of("learn").kill("SIGKILL");
      for (const client of [one, two]) {
        // Without its features; an item that was clicked is there again.
        assert.ok((await recommend(client, { sources: ["model"] })).items.length === 12);
        assert.equal((await client.rank("ann", items)).items.length, 12);
        const { note = "" } = await recommend(client, { rules: without, learn: false });
        assert.match(note, /The rule exclude was not applied/);
      }
      await click(two, "i7");
      await processes.start("learn");
      for (const client of [one, two]) {
        await soon(async () => {
          const left = await notClicked(client);
          return left.length === 10 && !["i3", "i5", "i7"].some((id) => left.includes(id));
        });
      }
      assert.match(await one.text("/metrics"), /cairn_ranker_kept_missing_total [1-9]/);
    });
  },
});

/**
 * Goal: recommendations, similar items, kept features and rules are the same at every serving host,
 * and go on while the host of the feature keeper is killed. Method: real processes over loopback
 * sockets with a real Redis or Valkey server.
 */
import assert from "node:assert/strict";
import { installedProgram, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { clientOn, freePort, HostProcesses } from "./host_process.ts";
import { eventually } from "./mesh_process.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const program = installedProgram();

interface World {
  readonly processes: HostProcesses;
  /** Clients of the two serving hosts. */
  readonly clients: readonly [Client, Client];
}

async function withHosts(run: (world: World) => Promise<void>) {
  const folder = Deno.makeTempDirSync();
  const redis = await LocalServer.start({ program: program ?? "redis-server", directory: folder });
  const [one, two, ...ports] = Array.from({ length: 5 }, freePort);
  const snapshots = "snapshots: { interval: 2s, spread: 0ms }";
  const storage = `{ kind: directory, path: data, ${snapshots}, redis: { url: "${redis.url}" } }`;
  const file = `${folder}/mesh.yaml`;
  Deno.writeTextFileSync(
    file,
    `${smallConfiguration("in one thread", storage)}
attributes: { item: { price: number } }
recommend:
  enabled: true
  sources: [model, popular, history]
  popularBy: clicks_hour
  historyBy: clicked
kept:
  budget: 200ms
  features:
    clicked: { kind: history, action: click, last: 20 }
    clicks_hour: { kind: count, by: item, of: click, window: 1h }
    shown_hour: { kind: count, by: item, of: shown, window: 1h }
mesh:
  id: shop
  secret: a-secret-for-the-test
  heartbeat: 200ms
  silence: 3s
  lease: 4s
  hosts:
    edge-1:
      address: 127.0.0.1:${ports[0]}
      roles: [serving]
      http: 127.0.0.1:${one}
    edge-2:
      address: 127.0.0.1:${ports[1]}
      roles: [serving]
      http: 127.0.0.1:${two}
    learn: { address: "127.0.0.1:${ports[2]}", roles: [joiner, trainer, sync, shards] }
`,
  );
  const processes = new HostProcesses(file);
  const hosts = ["edge-1", "edge-2", "learn"];
  try {
    await processes.start(...hosts);
    await run({ processes, clients: [clientOn(one), clientOn(two)] });
  } catch (error) {
    for (const host of hosts) {
      console.error(`---- ${host}\n${processes.of(host).said.slice(-4_000)}`);
    }
    throw error;
  } finally {
    await processes.end();
    await redis.kill();
    Deno.removeSync(folder, { recursive: true });
  }
}

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
    await withHosts(async ({ processes, clients: [one, two] }) => {
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

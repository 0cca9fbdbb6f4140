/**
 * Goal: clients that hang up while a host of their rows stands still leave nothing behind at the
 * host that they asked, and their rankings are not known. Method: real processes over loopback
 * sockets with a real Redis or Valkey server; SIGSTOP and SIGCONT.
 */
import assert from "node:assert/strict";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { type HostsOnRedis, withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually } from "./mesh_process.ts";
import type { Client } from "./small_mesh.ts";

const program = installedProgram();

/** Each serving host holds the rows of some shards alone, and waits long for those of the other. */
const hosts = {
  program: program ?? "redis-server",
  roles: { "edge-1": "serving", "edge-2": "serving", learn: "joiner, trainer, shards" },
  placement: "in one thread",
  snapshots: "2s",
  mesh: ["heartbeat: 200ms", "silence: 60s", "lease: 90s"],
  change: (small: string) =>
    small.replace("serving: { ", "serving: { replicas: 1, ").replace("deadline: 5s", "deadline: 1m")
      .concat("ranker: { lookupBudget: 1m }\n"),
} as const;

const ITEMS = Array.from({ length: 24 }, (_, i) => `i${i}`);
const CLIENTS = 8;
/** Time for which lookups would be waited for: half of the deadline. */
const LOOKUP_MS = 30_000;

/** Values of a metric whose labels match. */
async function sumOf(client: Client, name: string, labels: string): Promise<number> {
  const lines = (await client.text("/metrics")).split("\n");
  return lines.filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

const pending = (client: Client, kind: string) =>
  sumOf(client, "cairn_actor_asks_pending", `kind="${kind}"`);
const rankings = (client: Client, status: number) =>
  sumOf(client, "cairn_http_request_seconds_count", `route="/v1/rank",status="${status}"`);

async function hangUp({ processes, clients: [one], ports: [port] }: HostsOnRedis): Promise<void> {
  const { rankingId } = await one.rank("ann", ITEMS);
  await one.post(ITEMS.map((item) => ({
    ...{ eventId: `click-${item}`, rankingId, item, action: "click" },
  })));
  const knowsAll = async () => (await one.rank("ann", ITEMS)).items.every(({ cold }) => !cold);
  assert.ok(await eventually(knowsAll, 60_000));

  processes.of("edge-2").signal("SIGSTOP");
  const beganMs = performance.now();
  const leaving = new AbortController();
  const outcomes = Promise.allSettled(
    Array.from({ length: CLIENTS }, (_, i) =>
      fetch(`http://127.0.0.1:${port}/v1/rank`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ...{ user: "ann", candidates: ITEMS.map((id) => ({ id })), rankingId: `left-${i}` },
        }),
        signal: leaving.signal,
      })),
  );
  assert.ok(await eventually(async () => await pending(one, "ranker") === CLIENTS));
  assert.ok(await eventually(async () => await pending(one, "serving_replica") > 0));
  leaving.abort();
  assert.ok((await outcomes).every(({ status }) => status === "rejected"));
  for (const kind of ["ranker", "scorer", "serving_replica"]) {
    assert.ok(await eventually(async () => await pending(one, kind) === 0), kind);
  }
  assert.ok(await eventually(async () => await rankings(one, 499) === CLIENTS));
  assert.ok(performance.now() - beganMs < LOOKUP_MS, "while the lookups would be waited for");

  processes.of("edge-2").signal("SIGCONT");
  const { items } = await one.rank("ann", ITEMS);
  assert.ok(items.every(({ cold }) => !cold), "the host that stood still is asked again");
  assert.ok(performance.now() - beganMs < LOOKUP_MS);
  // The rankings were not logged: events on them are refused, and their ids can be used.
  const event = { eventId: "late", rankingId: "left-0", item: "i0", action: "click" };
  const isUnknown = () =>
    one.post([event]).then(() => false, (error) => /unknown-ranking/.test(String(error)));
  assert.ok(await eventually(isUnknown)); // a new connection to Redis takes some seconds
  const candidates = ITEMS.map((id) => ({ id }));
  const again = await one.ask("/v1/rank", { user: "ann", candidates, rankingId: "left-0" });
  assert.equal(again.rankingId, "left-0");
  const [{ status }] = await one.post([event]);
  assert.equal(status, "accepted");
}

Deno.test({
  name: "clients that hang up while a host stands still leave no asks and no rankings behind",
  ignore: program === undefined,
  fn: () => withHostsOnRedis(hosts, hangUp),
});

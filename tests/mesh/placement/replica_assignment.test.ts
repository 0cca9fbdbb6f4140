import assert from "node:assert/strict";
import fc from "fast-check";
import { planReplicas, replicaHosts } from "../../../mesh/placement/replica_assignment.ts";
import type { HostView, ShardView } from "../../../mesh/placement/views.ts";

function serving(host: string, changes: Partial<HostView> = {}): HostView {
  return { host, state: "up", ownsShards: true, serves: true, capacityBytes: 2 ** 30, ...changes };
}

function shardOn(shard: number, owner: string): ShardView {
  return { shard, placement: { kind: "active", owner, epoch: 1 }, rows: 0, bytes: 0 };
}

const hosts = ["a", "b", "c", "d"].map((name) => serving(name));

Deno.test("replicas are on different hosts, and not on the owner's where others suffice", () => {
  fc.assert(fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 4 }), (shard, count) => {
    const chosen = replicaHosts(hosts, shardOn(shard, "b"), count);
    assert.equal(new Set(chosen).size, count);
    assert.equal(chosen.includes("b"), count === 4);
  }));
});

Deno.test("a host that leaves changes the replicas of its own shards alone", () => {
  const rest = hosts.filter(({ host }) => host !== "c");
  for (let shard = 0; shard < 200; shard++) {
    const before = replicaHosts(hosts, shardOn(shard, "x"), 2);
    const after = replicaHosts(rest, shardOn(shard, "x"), 2);
    if (!before.includes("c")) assert.deepEqual(after, before);
    else assert.ok(after.includes(before.find((host) => host !== "c")!));
  }
});

Deno.test("shards are spread over the hosts", () => {
  const counts = new Map<string, number>();
  for (let shard = 0; shard < 1_000; shard++) {
    const [host] = replicaHosts(hosts, shardOn(shard, "x"), 1);
    counts.set(host, (counts.get(host) ?? 0) + 1);
  }
  for (const { host } of hosts) assert.ok(Math.abs(counts.get(host)! - 250) < 60, `${host}`);
});

Deno.test("all serving hosts hold all shards where that is asked for", () => {
  const views = [...hosts, serving("x", { state: "draining" }), serving("y", { serves: false })];
  assert.deepEqual(replicaHosts(views, shardOn(7, "a"), "all").toSorted(), ["a", "b", "c", "d"]);
});

Deno.test("a plan names the replicas that come and go, and a lack of hosts", () => {
  const shards = [shardOn(0, "a"), shardOn(1, "a")];
  const wanted = replicaHosts(hosts, shards[0], 2);
  const current = new Map([[0, [wanted[0], "gone"]], [1, replicaHosts(hosts, shards[1], 2)]]);
  assert.deepEqual(planReplicas(hosts, shards, current, 2), [
    { shard: 0, added: [wanted[1]], removed: ["gone"] },
  ]);
  const [short] = planReplicas([serving("a")], [shardOn(0, "a")], new Map([[0, ["a"]]]), 3);
  assert.equal(short.shortage, "1 of 3 replicas: add serving hosts");
});

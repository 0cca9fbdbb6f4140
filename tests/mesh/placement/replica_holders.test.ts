/**
 * Goal: every host finds the same holders, each shard has as many as asked for, no host holds much
 * more than its even share, the holders of a smaller number are among those of a larger one, and a
 * host that comes or goes moves few replicas.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  evenShare,
  inAskingOrder,
  replicaHolders,
} from "../../../mesh/placement/replica_holders.ts";

const hostNames = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,4}(-[0-9]{1,2})?$/), {
  minLength: 1,
  maxLength: 20,
});
const meshes = fc.record({
  hosts: hostNames,
  shards: fc.integer({ min: 1, max: 200 }),
  replicas: fc.integer({ min: 1, max: 6 }),
});

Deno.test("each shard has distinct holders, as many as asked for or there are, near every host's share", () => {
  fc.assert(fc.property(meshes, ({ hosts, shards, replicas }) => {
    const holders = replicaHolders(hosts, shards, replicas);
    assert.equal(holders.length, shards);
    for (const ofShard of holders) {
      assert.equal(ofShard.length, Math.min(replicas, hosts.length));
      assert.equal(new Set(ofShard).size, ofShard.length);
      assert.ok(ofShard.every((host) => hosts.includes(host)));
    }
    const bound = evenShare(hosts.length, shards, replicas) + 2;
    for (const host of hosts) {
      assert.ok(holders.filter((ofShard) => ofShard.includes(host)).length <= bound);
    }
  }));
});

Deno.test("hosts with two numbers of replicas agree on the holders of the smaller one", () => {
  fc.assert(
    fc.property(meshes, fc.integer({ min: 1, max: 5 }), ({ hosts, shards, replicas }, by) => {
      const few = replicaHolders(hosts, shards, replicas);
      for (const larger of [replicas + by, "all"] as const) {
        const many = replicaHolders(hosts, shards, larger);
        for (const shard of few.keys()) {
          assert.ok(few[shard].every((host) => many[shard].includes(host)));
        }
      }
    }),
  );
});

Deno.test("the order of the hosts changes nothing", () => {
  fc.assert(fc.property(meshes, ({ hosts, shards, replicas }) => {
    assert.deepEqual(
      replicaHolders(hosts.toReversed(), shards, replicas),
      replicaHolders(hosts, shards, replicas),
    );
  }));
});

Deno.test("with all, and with no more hosts than replicas, every host holds every shard", () => {
  const hosts = ["b", "a", "c"];
  for (const replicas of ["all", 3, 7] as const) {
    assert.deepEqual(replicaHolders(hosts, 2, replicas), [["a", "b", "c"], ["a", "b", "c"]]);
    assert.equal(evenShare(3, 2, replicas), 2);
  }
});

Deno.test("where hosts hold several shards, a host more moves at most twice the replicas that it gets", () => {
  for (const [hostCount, shards, replicas] of [[4, 16, 2], [8, 64, 2], [23, 64, 2], [8, 128, 3]]) {
    const hosts = Array.from({ length: hostCount }, (_, i) => `edge-${i}`);
    const before = replicaHolders(hosts, shards, replicas);
    const after = replicaHolders([...hosts, "edge-new"], shards, replicas);
    const moved = after.flatMap((ofShard, shard) =>
      ofShard.filter((host) => !before[shard].includes(host))
    );
    const share = evenShare(hostCount + 1, shards, replicas);
    assert.ok(moved.length <= 2 * share, `${moved.length} of ${shards * replicas} moved`);
  }
});

Deno.test("a host asks itself first, and askers spread over the other holders", () => {
  const holders = ["a", "b", "c"];
  assert.equal(inAskingOrder("b", 0, holders)[0], "b");
  const first = new Map<string, number>();
  for (let asker = 0; asker < 300; asker++) {
    const order = inAskingOrder(`asker-${asker}`, 5, holders);
    assert.deepEqual(order.toSorted(), holders);
    first.set(order[0], (first.get(order[0]) ?? 0) + 1);
  }
  for (const holder of holders) assert.ok((first.get(holder) ?? 0) > 60, holder);
});

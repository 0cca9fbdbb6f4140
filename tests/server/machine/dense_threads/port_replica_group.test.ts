/**
 * Model replicas that exchange gradients through ports see the same arrays in the same order.
 */
import assert from "node:assert/strict";
import type { ReplicaGroup } from "../../../../kernels/dense/sessions/passes_backend.ts";
import { portReplicaGroup } from "../../../../server/machine/dense_threads/port_replica_group.ts";

function groupsOf(count: number): { groups: ReplicaGroup[]; close(): void } {
  const ports: MessagePort[][] = Array.from({ length: count }, () => []);
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const { port1, port2 } = new MessageChannel();
      ports[i].push(port1);
      ports[j].push(port2);
    }
  }
  return {
    groups: ports.map((own, replica) => portReplicaGroup(replica, own)),
    close: () => ports.flat().forEach((port) => port.close()),
  };
}

Deno.test("every replica gets the arrays of all in their order, step after step, and keeps its own", async () => {
  const { groups, close } = groupsOf(3);
  const own = groups.map(() => new Float32Array(2));
  for (let step = 0; step < 4; step++) {
    own.forEach((values, replica) => values.fill(10 * step + replica));
    const seen = await Promise.all(groups.map((group, replica) => group.exchange(own[replica])));
    const expected = own.map((_, replica) => new Float32Array(2).fill(10 * step + replica));
    for (const [replica, arrays] of seen.entries()) {
      assert.deepEqual(arrays, expected);
      assert.equal(arrays[replica], own[replica]);
    }
  }
  assert.deepEqual(groups.map(({ count }) => count), [3, 3, 3]);
  close();
});

Deno.test("a replica may be a step ahead of one that has not taken its array yet", async () => {
  const { groups: [first, second], close } = groupsOf(2);
  const values = (value: number) => new Float32Array([value]);
  const ahead = (async () => {
    const seen = [];
    for (const value of [1, 2]) seen.push((await first.exchange(values(value))).map(([x]) => x));
    return seen;
  })();
  // The first array of the other replica waits in the inbox.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const behind = [];
  for (const value of [5, 6]) behind.push((await second.exchange(values(value))).map(([x]) => x));
  assert.deepEqual(await ahead, [[1, 5], [2, 6]]);
  assert.deepEqual(behind, [[1, 5], [2, 6]]);
  close();
});

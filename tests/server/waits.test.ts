/**
 * Goal: a host that begins takes no requests before it has the rows of its own replicas, also where
 * other hosts answer in their place.
 */
import assert from "node:assert/strict";
import type { RankerMessage } from "../../actors/ranker/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { ActorRef, Address } from "../../mesh/runtime/actor.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { ServingReplicas } from "../../server/serving_replicas.ts";
import { waitUntilReady } from "../../server/waits.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { spreadConfiguration } from "./spread_hosts.ts";

const HOST = "edge-1";

Deno.test("a start waits for the replicas of its own host, also where the scorer has other holders", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const configuration = spreadConfiguration("2", 4);
  const filled = new Set<Address>();
  const asked = new Set<Address>();
  const replicaAt = (address: Address) => ({
    ask() {
      asked.add(address);
      const position = filled.has(address) ? { lineage: "a", sequence: 1 } : undefined;
      return Promise.resolve({ rows: 0, position });
    },
  });
  const ranker = { ask: () => Promise.resolve({ ready: true }) };
  let ready = false;
  const waiting = waitUntilReady(
    {
      configuration,
      host: HOST,
      ranker: ranker as unknown as ActorRef<RankerMessage>,
      mesh: {
        home: world.node("home"),
        actorRef: (address: Address) =>
          replicaAt(address) as unknown as ActorRef<ServingReplicaMessage>,
      },
    } as unknown as RunningMesh,
  ).then(() => ready = true);
  const own = new ServingReplicas(configuration).heldBy(HOST).map(({ replica }) => replica);
  assert.ok(own.length >= 2);
  for (const replica of own) {
    await world.advance(100);
    assert.equal(ready, false, `${replica} is empty`);
    filled.add(replica);
  }
  await world.settle(waiting);
  assert.deepEqual(asked, new Set(own));
});

/**
 * Goal: a host that begins takes no requests before it has the rows of its own replicas, also where
 * other hosts answer in their place, and the stored items.
 */
import assert from "node:assert/strict";
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import type { RunningMesh } from "../../server/compose.ts";
import { addresses } from "../../server/addresses.ts";
import { ServingReplicas } from "../../server/serving_replicas.ts";
import { waitUntilReady } from "../../server/waits.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { spreadConfiguration } from "./spread_hosts.ts";

const HOST = "edge-1";

/** A host with its replicas and its retriever. */
function starting(configuration: CairnConfiguration, answerOf: (address: Address) => unknown) {
  const world = new SimulatedMesh({ seed: 1 });
  const running = {
    configuration,
    host: HOST,
    ranker: { ask: () => Promise.resolve({ ready: true }) },
    mesh: {
      home: world.node("home"),
      actorRef: (address: Address) => ({ ask: () => Promise.resolve(answerOf(address)) }),
    },
  } as unknown as RunningMesh;
  const host = { isReady: false };
  const waiting = waitUntilReady(running).then(() => host.isReady = true);
  return { world, host, waiting };
}

Deno.test("a start waits for the replicas of its own host, also where the scorer has other holders", async () => {
  const configuration = spreadConfiguration("2", 4);
  const filled = new Set<Address>();
  const asked = new Set<Address>();
  const { world, host, waiting } = starting(configuration, (address) => {
    asked.add(address);
    const position = filled.has(address) ? { lineage: "a", sequence: 1 } : undefined;
    return { rows: 0, position };
  });
  const own = new ServingReplicas(configuration).heldBy(HOST).map(({ replica }) => replica);
  assert.ok(own.length >= 2);
  for (const replica of own) {
    await world.advance(100);
    assert.equal(host.isReady, false, `${replica} is empty`);
    filled.add(replica);
  }
  await world.settle(waiting);
  assert.deepEqual(asked, new Set(own));
});

Deno.test("a start waits until its retriever has all stored items", async () => {
  const spread = spreadConfiguration("2", 4);
  const retriever = {} as NonNullable<CairnConfiguration["retriever"]>;
  let isComplete = false;
  const { world, host, waiting } = starting({ ...spread, retriever }, (address) => {
    if (address === addresses.retriever(HOST)) return { items: 500, isComplete };
    return { rows: 0, position: { lineage: "a", sequence: 1 } };
  });
  await world.advance(5_000);
  assert.equal(host.isReady, false);
  isComplete = true;
  await world.settle(waiting);
  assert.ok(host.isReady);
});

/**
 * Goal: the composition needs nothing of the real machine. Method: the whole mesh, gateway
 * included, is composed on a virtual clock, seeded randomness, stores in memory and the reference
 * provider, and learns from events over HTTP.
 */
import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { MemoryEventLog } from "../../mesh/adapters/memory/memory_event_log.ts";
import { MemoryProfileStore } from "../../mesh/adapters/memory/memory_profile_store.ts";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";
import { NodeLink } from "../../mesh/runtime/node_link.ts";
import { defineNodeActor } from "../../mesh/runtime/node_actor.ts";
import { createSimulatedLinkPair } from "../../mesh/simulation/simulated_link.ts";
import { SimulatedMesh } from "../../mesh/simulation/simulated_mesh.ts";
import { compose, type RunningMesh } from "../../server/compose.ts";
import { computingDefinitions } from "../../server/computing_definitions.ts";
import type { Environment, NodesRequest } from "../../server/environment.ts";
import { homeNode } from "../../server/layout.ts";
import { referenceSessions } from "../../server/reference_sessions.ts";
import { waitUntilReady } from "../../server/waits.ts";

const movies = await Deno.readTextFile(new URL("../../examples/movies.yaml", import.meta.url));

/** A simulated machine: nodes linked in virtual time, stores in memory. */
function simulatedEnvironment(world: SimulatedMesh, yaml: string) {
  const configuration = parseConfiguration(yaml, "cairn.yaml");
  const home = world.node(homeNode);
  const stores = {
    eventLog: new MemoryEventLog({ partitions: 1 }),
    exampleLog: new MemoryEventLog({ partitions: configuration.partitions.examples }),
    profiles: new MemoryProfileStore(world.clock),
    blobs: new MemoryBlobStore(),
  };
  const dense = referenceSessions(configuration);
  let closed = 0;
  const environment: Environment = {
    home,
    stores,
    dense,
    metrics: {
      snapshot: () => Promise.resolve(home.name),
      render: (snapshots) => Promise.resolve(snapshots.join()),
    },
    async startNodes({ nodes, placement }: NodesRequest) {
      const all = [home, ...nodes.map(({ name }) => world.node(name))];
      for (const [i, left] of all.entries()) {
        for (const right of all.slice(i + 1)) {
          const pair = createSimulatedLinkPair(world.clock, 0.05);
          new NodeLink(left, right.name, pair.left);
          new NodeLink(right, left.name, pair.right);
        }
      }
      for (const node of all.slice(1)) {
        node.setPlacement(placement);
        const definitions = computingDefinitions({ ...stores, dense });
        await node.spawn(defineNodeActor(node, { definitions }), node.name, undefined);
      }
    },
    close: () => {
      closed++;
      return Promise.resolve();
    },
  };
  return { configuration, environment, timesClosed: () => closed };
}

/** Sends JSON to the mesh while virtual time passes. */
async function send(world: SimulatedMesh, mesh: RunningMesh, path: string, body: unknown) {
  const text = JSON.stringify(body);
  const request = new Request(`http://cairn${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": String(text.length) },
    body: text,
  });
  const response = await world.settle(Promise.resolve(mesh.fetch(request)));
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

for (const placement of ["singleThread", "workers"]) {
  Deno.test(`the whole mesh learns from events under virtual time (placement: ${placement})`, async () => {
    const world = new SimulatedMesh({ seed: 1 });
    const yaml = `${movies}\nplacement: { kind: ${placement} }\n`;
    const { configuration, environment, timesClosed } = simulatedEnvironment(world, yaml);
    const mesh = await world.settle(compose(configuration, environment));
    await world.advance(1_000);
    const rank = () =>
      send(world, mesh, "/v1/rank", { user: "ada", candidates: [{ id: "alien" }, { id: "up" }] });

    const before = await rank();
    assert.deepEqual(before.items.map(({ cold }: { cold: boolean }) => cold), [true, true]);
    const { events: [event] } = await send(world, mesh, "/v1/events", [{
      eventId: "1",
      rankingId: before.rankingId,
      item: "up",
      action: "rating",
      value: 10,
    }]);
    assert.equal(event.status, "accepted");
    await world.advance(2_000);

    const after = await rank();
    assert.ok(
      after.learnedThroughMs >= event.acceptedAtMs,
      "the answer has learned from the event",
    );
    const [first] = after.items;
    assert.deepEqual([first.id, first.cold], ["up", false]);
    assert.ok(first.score > before.items[0].score);

    assert.equal((await world.settle(mesh.trainers.status())).examples, 1);
    await world.settle(mesh.stop());
    await world.settle(mesh.stop());
    assert.equal(timesClosed(), 1);
    const problems = world.telemetry.lines.filter(({ level }) =>
      level === "error" || level === "warn"
    );
    assert.deepEqual(problems, []);
  });
}

Deno.test("a start takes as long as it needs, and says how far it is", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const { configuration, environment } = simulatedEnvironment(world, movies);
  const { blobs } = environment.stores;
  const slow: BlobStore = {
    put: (name, bytes) => blobs.put(name, bytes),
    get: (name) => blobs.get(name),
    delete: (name) => blobs.delete(name),
    listUnfinished: (prefix) => blobs.listUnfinished(prefix),
    deleteUnfinished: (name) => blobs.deleteUnfinished(name),
    async list(prefix) {
      await world.clock.delay(300_000);
      return await blobs.list(prefix);
    },
  };
  const steps: string[] = [];
  const composing = compose(
    configuration,
    { ...environment, stores: { ...environment.stores, blobs: slow } },
    { onStep: (step) => steps.push(step) },
  );
  const mesh = await world.settle(composing, 3_600_000);
  await world.settle(waitUntilReady(mesh), 3_600_000);
  assert.ok(steps.some((step) => /^making embedding_shard\/0, actor 1 of \d+$/.test(step)));
  await world.settle(mesh.stop());
});

Deno.test("an environment whose nodes do not start is closed, and the error says why", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const yaml = `${movies}\nplacement: { kind: workers }\n`;
  const { configuration, environment, timesClosed } = simulatedEnvironment(world, yaml);
  const refusing: Environment = {
    ...environment,
    startNodes: () => Promise.reject(new Error("no threads left")),
  };
  const failure = compose(configuration, refusing).then(() => undefined, (error) => error.message);
  assert.equal(await world.settle(failure), "no threads left");
  assert.equal(timesClosed(), 1);
});

Deno.test("where an actor cannot be made, the log is read no further and all is closed", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const { configuration, environment, timesClosed } = simulatedEnvironment(world, movies);
  const { stores } = environment;
  let read = 0;
  class SlowLog extends MemoryEventLog {
    override async read(partition: number, from: number, count: number) {
      await world.clock.delay(10);
      read++;
      return await super.read(partition, from, count);
    }
  }
  const eventLog = new SlowLog({ partitions: 1 });
  await world.settle(
    eventLog.append(0, Array.from({ length: 4_096 }, () => Uint8Array.of(1))),
  );
  const blobs: BlobStore = {
    put: (name, bytes) => stores.blobs.put(name, bytes),
    get: (name) => stores.blobs.get(name),
    delete: (name) => stores.blobs.delete(name),
    listUnfinished: (prefix) => stores.blobs.listUnfinished(prefix),
    deleteUnfinished: (name) => stores.blobs.deleteUnfinished(name),
    async list() {
      await world.clock.delay(100);
      throw new Error("no such bucket");
    },
  };
  const failing = { ...environment, stores: { ...stores, eventLog, blobs } };
  const failure = compose(configuration, failing).then(() => undefined, (error) => error.message);
  assert.match(String(await world.settle(failure)), /embedding_shard.*no such bucket/);
  assert.equal(timesClosed(), 1);
  const before = read;
  assert.ok(before > 0, "reading began while the actors were made");
  await world.advance(10_000);
  assert.equal(read, before);
});

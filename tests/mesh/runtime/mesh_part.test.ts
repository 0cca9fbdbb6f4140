import assert from "node:assert/strict";
import { Mesh, type PlannedActor } from "../../../mesh/runtime/mesh.ts";
import { defineNodeActor } from "../../../mesh/runtime/node_actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { counterDefinition, type CounterMessage } from "./counter_actor.ts";

const plan: PlannedActor[] = ["left", "right"].map((node) => ({
  kind: "counter",
  key: node,
  options: { start: 5 },
  node,
}));

Deno.test("each process makes the actors of its own nodes, and they reach each other", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const meshes = ["left", "right"].map((name) =>
    new Mesh({
      home: world.node(name),
      composition: { definitions: [counterDefinition()] },
      part: { nodes: [name], retryMs: 100 },
    })
  );
  world.link(meshes[0].home, meshes[1].home);
  for (const mesh of meshes) await world.settle(mesh.start(plan));
  for (const [i, other] of [[0, "counter/right"], [1, "counter/left"]] as const) {
    const ref = meshes[i].actorRef<CounterMessage>(other);
    assert.equal(await world.settle(ref.ask({ kind: "getCount" }, { budgetMs: 100 })), 5);
    assert.equal(meshes[i].home.statistics().length, 2, "the node's actor and one counter");
  }
  for (const mesh of meshes) assert.deepEqual(await world.settle(mesh.stop()), {});
});

Deno.test("an actor that is not made in time is ended when it is, and can be made again", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const definition = counterDefinition();
  const create = definition.create;
  let [delayMs, stopped] = [5_000, 0];
  definition.create = async (context, options) => {
    await world.clock.delay(delayMs);
    return await create(context, { ...options, onStop: () => stopped++ });
  };
  const home = world.node("left");
  const mesh = new Mesh({ home, composition: { definitions: [definition] }, spawnBudgetMs: 1_000 });
  await world.settle(mesh.start([]));
  const late = mesh.spawn(plan[0]).then(() => "made", ({ name }) => name);
  assert.equal(await world.settle(late), "AskTimeoutError");
  await world.advance(10_000);
  assert.equal(stopped, 1, "the actor has released its resources");
  assert.equal(home.statistics().length, 1, "the node's actor alone is left");
  assert.equal(mesh.nodeOf("counter/left"), undefined);
  delayMs = 10;
  await world.settle(mesh.spawn(plan[0]));
  const ref = mesh.actorRef<CounterMessage>("counter/left");
  await world.settle(mesh.place([["counter/left", "left"]]));
  assert.equal(await world.settle(ref.ask({ kind: "getCount" }, { budgetMs: 100 })), 5);
  await world.settle(mesh.stop());
});

Deno.test("an actor that cannot be made yet is made again until it can, or the mesh stops", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  let fails = true;
  const definition = counterDefinition();
  const home = world.node("left");
  const mesh = new Mesh({
    home,
    composition: { definitions: [definition] },
    part: { nodes: ["left"], retryMs: 100 },
  });
  const options = { start: 5, failCreate: () => fails };
  // Options are copied, so the definition has to know.
  const create = definition.create;
  definition.create = (context) => create(context, options);
  const started = mesh.start(plan);
  await world.advance(1_050);
  assert.equal(home.statistics().length, 1);
  const lines = world.telemetry.lines.filter(({ message }) => message.includes("cannot make"));
  assert.equal(lines.length, 1, "the same reason is logged once");
  fails = false;
  await world.settle(started);
  assert.equal(home.statistics().length, 2);
  await world.settle(mesh.stop());

  fails = true;
  const again = new Mesh({
    home: world.node("left-2"),
    composition: { definitions: [definition] },
    part: { nodes: ["left"], retryMs: 100 },
  });
  const starting = again.start(["one", "two"].map((key) => ({ ...plan[0], key })));
  starting.catch(() => {});
  await world.advance(250);
  await world.settle(again.stop());
  const stoppedAtMs = world.clock.monotonicMs();
  await assert.rejects(world.settle(starting));
  assert.equal(world.clock.monotonicMs(), stoppedAtMs, "no try is waited for");
});

Deno.test("an actor whose node did not hear of its end is ended by the next try, and made again", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const composition = { definitions: [counterDefinition()] };
  const [home, thread] = [world.node("main"), world.node("left")];
  const broken = world.link(home, thread);
  await world.settle(thread.spawn(defineNodeActor(thread, composition), "left", undefined));
  const mesh = new Mesh({ home, composition });
  await world.settle(mesh.start(plan.slice(0, 1)));
  broken.left.close();
  await assert.rejects(world.settle(mesh.end("counter/left", 0)));
  assert.equal(thread.statistics().length, 2);
  world.link(home, thread);
  await world.settle(mesh.end("counter/left", 0));
  await world.settle(mesh.spawn(plan[0]));
  assert.equal(thread.statistics().length, 2);
  await world.settle(mesh.end("counter/left", 0));
  assert.equal(thread.statistics().length, 1);
  await world.settle(mesh.stop());
});

Deno.test("a process tells its own actor also where the address belongs to another process by now", async () => {
  const world = new SimulatedMesh({ seed: 1 });
  const definition = counterDefinition();
  const composition = { definitions: [definition] };
  const [home, thread, other] = ["main", "left", "other"].map((name) => world.node(name));
  for (const node of [thread, other]) {
    world.link(home, node);
    await world.settle(node.spawn(defineNodeActor(node, composition), node.name, undefined));
  }
  const mesh = new Mesh({ home, composition, part: { nodes: ["main", "left"], retryMs: 100 } });
  await world.settle(mesh.start(plan.slice(0, 1)));
  await world.settle(other.spawn(definition, "left", { start: 5 }));
  await world.settle(mesh.place([["counter/left", "other"]]));
  mesh.tellOwn<CounterMessage>("counter/left", { kind: "add", amount: 1 });
  await world.advance(100);
  const countOn = (node: typeof home) =>
    world.settle(
      node.actorRef<CounterMessage>("counter/left").ask({ kind: "getCount" }, { budgetMs: 100 }),
    );
  assert.deepEqual([await countOn(thread), await countOn(other)], [6, 5]);
  await world.settle(mesh.end("counter/left", 0, true));
  mesh.tellOwn<CounterMessage>("counter/left", { kind: "add", amount: 1 });
  await world.advance(100);
  assert.equal(await countOn(other), 5, "an actor that has ended is told nothing");
  await world.settle(mesh.stop());
});

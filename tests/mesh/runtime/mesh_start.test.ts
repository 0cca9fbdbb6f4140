import assert from "node:assert/strict";
import type { ActorDefinition, Message } from "../../../mesh/runtime/actor.ts";
import { Mesh, type PlannedActor } from "../../../mesh/runtime/mesh.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";

const LOAD_MS = 2_000;

/** A mesh whose actor `loads` takes {@link LOAD_MS} to be made, or to fail. */
function meshWithSlowActor({ fails = false } = {}) {
  const world = new SimulatedMesh({ seed: 1 });
  const made: string[] = [];
  const define = (kind: string): ActorDefinition<Message, unknown> => ({
    kind,
    mailbox: { capacity: 16, overflow: "reject" },
    restart: { restartsMax: 0, periodMs: 60_000, backoffMs: 10, backoffMsMax: 10 },
    priorityOf: () => "write",
    async create() {
      if (kind === "loads") {
        await world.clock.delay(LOAD_MS);
        if (fails) throw new Error("damaged");
      }
      made.push(kind);
      return { receive() {} };
    },
  });
  const definitions = ["loads", "serves", "learns"].map(define);
  const mesh = new Mesh({ home: world.node(), composition: { definitions } });
  const actor = (kind: string): PlannedActor => ({ kind, key: "0", options: {}, node: "main" });
  const plan = [actor("loads"), { ...actor("serves"), needsNone: true }, actor("learns")];
  return { world, mesh, plan, made };
}

Deno.test("an actor that needs none is made while the actors before it load, others after", async () => {
  const { world, mesh, plan, made } = meshWithSlowActor();
  const started = mesh.start(plan);
  await world.advance(LOAD_MS / 2);
  assert.deepEqual(made, ["serves"]);
  await world.settle(started);
  assert.deepEqual(made, ["serves", "loads", "learns"]);
  assert.deepEqual(await world.settle(mesh.stop()), {});
});

Deno.test("a start fails with the actor that cannot load, and makes no actor after it", async () => {
  const { world, mesh, plan, made } = meshWithSlowActor({ fails: true });
  const started = mesh.start(plan);
  await assert.rejects(world.settle(started), /damaged/);
  assert.deepEqual(made, ["serves"]);
  assert.deepEqual(await world.settle(mesh.stop()), {});
});

Deno.test("the home node makes its actors while the other nodes begin", async () => {
  const { world, mesh, plan, made } = meshWithSlowActor();
  const spawned: string[] = [];
  const others = Promise.withResolvers<void>();
  const elsewhere = plan.map((each) => each.kind === "loads" ? { ...each, node: "other" } : each);
  const started = mesh.start(elsewhere, {
    othersBegun: others.promise,
    onSpawn: ({ kind }, index, count) => spawned.push(`${kind} ${index} of ${count}`),
  });
  await world.advance(1_000);
  assert.deepEqual(made, ["serves"]);
  assert.deepEqual(spawned, ["serves 1 of 3"]);
  others.reject(new Error("no threads left"));
  await assert.rejects(world.settle(started), /no threads left/);
  assert.deepEqual(made, ["serves"]);
  assert.deepEqual(await world.settle(mesh.stop()), {});
});

import assert from "node:assert/strict";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { counterDefinition } from "./counter_actor.ts";

const budgetMs = 1_000;

Deno.test("a stop handles waiting messages and then refuses new ones", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  let stopped = 0;
  const counter = await node.spawn(counterDefinition(), 0, { start: 0, onStop: () => stopped++ });
  for (let i = 0; i < 100; i++) counter.tell({ kind: "add", amount: 1 });
  const count = counter.ask({ kind: "getCount" }, { budgetMs });
  const later = counter.ask({ kind: "answerLater" }, { budgetMs: 200 }).catch((e) => e.name);
  const abandoned = mesh.settle(node.stopActor("counter/0", 1_000));
  assert.equal(await abandoned, 0);
  assert.equal(await count, 0);
  assert.equal(await later, "AskTimeoutError", "an unanswered request is waited for to its budget");
  assert.equal(stopped, 1);
  const refused = await counter.ask({ kind: "getCount" }, { budgetMs }).catch((e) => e);
  assert.match(refused.message, /counter\/0 failed: there is no such actor on main/);
});

Deno.test("an actor that begins to stop answers the requests that wait for a reminder", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const onBeginStop = (answer: () => void) => answer();
  const counter = await node.spawn(counterDefinition(), 0, { start: 0, onBeginStop });
  const later = counter.ask({ kind: "answerLater" }, { budgetMs });
  await mesh.advance(1);
  const beganAtMs = mesh.clock.monotonicMs();
  assert.equal(await mesh.settle(node.stopActor("counter/0", 1_000)), 0);
  assert.equal(await later, 0);
  assert.equal(mesh.clock.monotonicMs(), beganAtMs);
});

Deno.test("an actor that fails as it begins to stop is stopped all the same", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  let stopped = 0;
  await node.spawn(counterDefinition(), 0, {
    start: 0,
    onStop: () => stopped++,
    onBeginStop: () => {
      throw new Error("no answer");
    },
  });
  assert.equal(await mesh.settle(node.stopActor("counter/0", 1_000)), 0);
  assert.equal(stopped, 1);
});

Deno.test("an actor that crashes while it stops is released, and the log has the reason", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  let stopped = 0;
  const options = { start: 0, onStop: () => stopped++ };
  const counter = await node.spawn(counterDefinition(), 0, options);
  counter.tell({ kind: "crash" });
  assert.equal(await mesh.settle(node.stopActor("counter/0", 1_000)), 0);
  assert.equal(stopped, 1);
  const [line] = mesh.telemetry.lines.filter(({ level }) => level === "error");
  assert.equal(line.message, "counter/0 did not stop cleanly");
  assert.match(String(line.fields.reason), /told to crash/);
});

Deno.test("a second stop ends with the first one, and the address is free after both", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const ends: string[] = [];
  const options = { start: 0, onStop: () => void ends.push("released") };
  const counter = await node.spawn(counterDefinition(), 0, options);
  const later = counter.ask({ kind: "answerLater" }, { budgetMs: 200 }).catch(({ name }) => name);
  await mesh.advance(1);
  const first = node.stopActor("counter/0", 100).then((count) => void ends.push(`first ${count}`));
  const second = node.stopActor("counter/0", 0).then((count) => void ends.push(`second ${count}`));
  await mesh.advance(50);
  assert.deepEqual(ends, []);
  await assert.rejects(node.spawn(counterDefinition(), 0, { start: 0 }), /address is taken/);
  await mesh.settle(Promise.all([first, second]));
  assert.deepEqual(ends, ["released", "first 1", "second 1"]);
  assert.equal(await later, "ActorFailedError");
  await node.spawn(counterDefinition(), 0, { start: 0 });
});

Deno.test("an actor that crashes while it stops handles no further message, and refuses those that wait", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const handled: string[] = [];
  const counter = await node.spawn(counterDefinition(), 0, {
    start: 1,
    onHandled: (kind) => handled.push(kind),
  });
  counter.tell({ kind: "crash" });
  counter.tell({ kind: "add", amount: 1 });
  const asked = counter.ask({ kind: "answerLater" }, { budgetMs }).catch((error) => error);
  await mesh.settle(node.stop(1_000));
  assert.deepEqual(handled, ["crash"]);
  assert.match((await asked).message, /counter\/0 failed: it has stopped/);
});

import assert from "node:assert/strict";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import type { ActorFailure } from "../../../mesh/runtime/actor_statistics.ts";
import { ActorFailedError } from "../../../mesh/runtime/errors.ts";
import { counterDefinition, type CounterMessage } from "./counter_actor.ts";

const budgetMs = 1_000;

Deno.test("a crash fails the requests that were taken, keeps waiting messages, and restarts after the back-off", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  let stops = 0;
  const counter = await mesh.node().spawn(counterDefinition(), 0, {
    start: 1,
    onStop: () => stops++,
  });
  const kept = counter.ask({ kind: "answerLater" }, { budgetMs }).catch((error) => error);
  const crashed = counter.ask({ kind: "crashOnAsk" }, {
    budgetMs,
    trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
  })
    .catch((error) => error);
  counter.tell({ kind: "add", amount: 5 });
  await mesh.advance(50);
  const [keptError, crashError] = await Promise.all([kept, crashed]);
  assert.ok(keptError instanceof ActorFailedError && crashError instanceof ActorFailedError);
  assert.match(crashError.message, /counter\/0 failed: Error: asked to crash/);
  assert.equal(stops, 1);
  const [line] = mesh.telemetry.lines;
  assert.match(line.message, /counter\/0 crashed and restarts in 100 ms/);
  assert.equal(line.fields.traceId, "0af7651916cd43dd8448eb211c80319c", "which request it was");
  const count = await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs }));
  assert.equal(mesh.clock.monotonicMs(), 100, "it waited for the back-off");
  assert.equal(count, 1, "state begins anew; the read overtakes the waiting write");
  await mesh.advance(0);
  assert.equal(await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })), 6);
});

Deno.test("one crash more than the policy allows stops the actor and escalates", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const failures: ActorFailure[] = [];
  const node = mesh.node("main", { onFailure: (failure) => failures.push(failure) });
  const restart = { restartsMax: 2, periodMs: 10_000, backoffMs: 100, backoffMsMax: 1_000 };
  const counter = await node.spawn(counterDefinition({ restart }), 0, { start: 1 });
  for (let i = 0; i < 3; i++) counter.tell({ kind: "crash" });
  await mesh.advance(99);
  assert.equal(node.statistics()[0].restarts, 1);
  await mesh.advance(201);
  assert.equal(failures.length, 1);
  assert.equal(failures[0].address, "counter/0");
  assert.equal(failures[0].restarts, 2);
  const error = await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs }).catch((e) => e));
  assert.match(error.message, /counter\/0 failed: it has stopped/);
});

Deno.test("an actor that goes on is reported at each crash too many, and restarted all the same", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const failures: ActorFailure[] = [];
  const node = mesh.node("main", { onFailure: (failure) => failures.push(failure) });
  const restart = {
    restartsMax: 2,
    periodMs: 10_000,
    backoffMs: 100,
    backoffMsMax: 1_000,
    goesOn: true,
  };
  const counter = await node.spawn(counterDefinition({ restart }), 0, { start: 1 });
  for (let i = 0; i < 4; i++) counter.tell({ kind: "crash" });
  await mesh.advance(100 + 200);
  assert.deepEqual(failures.map(({ restartsInMs }) => restartsInMs), [1_000]);
  await mesh.advance(1_000);
  assert.deepEqual(failures.map(({ restartsInMs }) => restartsInMs), [1_000, 1_000]);
  await mesh.advance(1_000);
  const count = await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs }));
  assert.equal(count, 1, "it is back");
  assert.equal(node.statistics()[0].restarts, 4);
});

Deno.test("timers of a crashed incarnation never fire, also those that it schedules late", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const handled: string[] = [];
  const contexts: { schedule(delayMs: number, message: CounterMessage): unknown }[] = [];
  const definition = counterDefinition();
  const counter = await mesh.node().spawn(
    {
      ...definition,
      create: (
        context: Parameters<typeof definition.create>[0],
        options: Parameters<typeof definition.create>[1],
      ) => {
        contexts.push(context);
        return definition.create(context, options);
      },
    },
    0,
    { start: 0, onHandled: (kind) => handled.push(kind) },
  );
  contexts[0].schedule(50, { kind: "tick" });
  contexts[0].schedule(500, { kind: "tick" });
  counter.tell({ kind: "crash" });
  await mesh.advance(20);
  contexts[0].schedule(30, { kind: "tick" }); // while it waits for its restart
  await mesh.advance(200);
  contexts[0].schedule(30, { kind: "tick" }); // when another incarnation has replaced it
  contexts[1].schedule(30, { kind: "tick" });
  await mesh.advance(1_000);
  assert.deepEqual(handled, ["crash", "tick"]);
});

Deno.test("crashes further apart than the period never escalate", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node("main", { onFailure: () => assert.fail("escalated") });
  const restart = { restartsMax: 1, periodMs: 1_000, backoffMs: 100, backoffMsMax: 1_000 };
  const counter = await node.spawn(counterDefinition({ restart }), 0, { start: 1 });
  for (let i = 0; i < 5; i++) {
    counter.tell({ kind: "crash" });
    await mesh.advance(1_001);
  }
  assert.equal(node.statistics()[0].restarts, 5);
});

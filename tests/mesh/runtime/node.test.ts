import assert from "node:assert/strict";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import type { ActorFailure } from "../../../mesh/runtime/actor_statistics.ts";
import {
  ActorFailedError,
  AskTimeoutError,
  CallCycleError,
  OverloadedError,
} from "../../../mesh/runtime/errors.ts";
import { counterDefinition, type CounterMessage } from "./counter_actor.ts";

const budgetMs = 1_000;

/** A mesh with a counter, and the kinds of the messages that it has handled. */
async function watchedCounter(start: number) {
  const mesh = new SimulatedMesh({ seed: 1 });
  const handled: string[] = [];
  const counter = await mesh.node().spawn(counterDefinition(), 0, {
    start,
    onHandled: (kind) => handled.push(kind),
  });
  return { mesh, handled, counter };
}

Deno.test("tells are handled in the order in which they were sent", async () => {
  const { mesh, handled, counter } = await watchedCounter(10);
  counter.tell({ kind: "add", amount: 1 });
  counter.tell({ kind: "add", amount: 2 });
  assert.deepEqual(handled, [], "nothing is handled within the send");
  await mesh.advance(0);
  assert.equal(await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })), 13);
  assert.deepEqual(handled, ["add", "add", "getCount"]);
});

Deno.test("control overtakes reads, and reads overtake writes", async () => {
  const { mesh, handled, counter } = await watchedCounter(0);
  counter.tell({ kind: "add", amount: 1 });
  const count = counter.ask({ kind: "getCount" }, { budgetMs });
  const released = counter.ask({ kind: "release" }, { budgetMs });
  await mesh.settle(Promise.all([count, released]));
  await mesh.advance(0);
  assert.deepEqual(handled, ["release", "getCount", "add"]);
});

Deno.test("a stream of reads does not starve a write", async () => {
  const { mesh, handled, counter } = await watchedCounter(0);
  counter.tell({ kind: "add", amount: 1 });
  for (let i = 0; i < 200; i++) counter.tell({ kind: "getCount" });
  await mesh.advance(0);
  assert.equal(handled.length, 201);
  assert.ok(
    handled.indexOf("add") < 40,
    `the write was handled at place ${handled.indexOf("add")}`,
  );
});

Deno.test("a kept request is answered in a later turn, also by a timer of the actor", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const counter = await mesh.node().spawn(counterDefinition(), 0, { start: 7 });
  const request: CounterMessage = { kind: "answerLater", afterMs: 30 };
  const answers = Promise.all([
    counter.ask(request, { budgetMs }),
    counter.ask(request, { budgetMs }),
  ]);
  assert.deepEqual(await mesh.settle(answers), [7, 7], "one object asked twice is two requests");
  assert.equal(mesh.clock.monotonicMs(), 30);
});

Deno.test("an ask waits for its whole budget, also for minutes, and without a budget for a minute", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const counter = await mesh.node().spawn(counterDefinition(), 0, { start: 7 });
  const later: CounterMessage = { kind: "answerLater", afterMs: 300_000 };
  const patient = counter.ask(later, { budgetMs: 600_000 });
  const unbounded = counter.ask(later, { budgetMs: Infinity }).catch((error) => error.message);
  assert.match(await mesh.settle(unbounded, 70_000), /ask timeout 60000 ms/);
  assert.equal(await mesh.settle(patient, 400_000), 7);
  assert.equal(mesh.clock.monotonicMs(), 300_000);
});

Deno.test("a constant that is asked twice is answered in the order of asking, also when an ask is given up", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node("main", { copyMessages: false });
  const counter = await node.spawn(counterDefinition(), 0, { start: 7 });
  const request: CounterMessage = { kind: "answerLater" };
  const settled: string[] = [];
  const ask = (name: string, budgetMs: number) =>
    counter.ask(request, { budgetMs }).then(
      () => settled.push(name),
      (error) => settled.push(`${name}: ${error.name}`),
    );
  const asks = [ask("first", 1_000), ask("given up", 10), ask("last", 1_000)];
  await mesh.advance(20);
  await mesh.settle(counter.ask({ kind: "release" }, { budgetMs }));
  await mesh.settle(Promise.all(asks));
  assert.deepEqual(settled, ["given up: AskTimeoutError", "first", "last"]);
});

Deno.test("the timeout of a queued ask reports its time in the mailbox", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  let open = () => {};
  const gate = new Promise<void>((resolve) => open = resolve);
  // The gate is opened by this test and not by a message, so the clock must not wait for the
  // handler.
  const node = mesh.node("main");
  const counter = await node.spawn(counterDefinition(), 7, { start: 0, gate: delayed(mesh, gate) });
  const blocked = counter.ask({ kind: "block" }, { budgetMs: 10_000 });
  await mesh.advance(0);
  counter.tell({ kind: "getCount" });
  counter.tell({ kind: "getCount" });
  const error = await mesh.settle(
    counter.ask({ kind: "getCount" }, { budgetMs: 50 }).catch((reason) => reason),
  );
  assert.ok(error instanceof AskTimeoutError);
  assert.equal(
    error.message,
    "ask timeout 50 ms: counter/7 on main: queued 52 ms behind 2 messages (capacity 1000), never handled; chain counter/7.",
  );
  open();
  await mesh.settle(blocked);
  await mesh.advance(0);
  assert.equal(node.statistics()[0].expired, 1, "an expired ask is skipped, not handled");
});

/** A gate that the virtual clock regards as its own. */
function delayed(mesh: SimulatedMesh, gate: Promise<void>): Promise<void> {
  const held = mesh.clock.delay(200);
  return Promise.all([gate, held]).then(() => undefined);
}

Deno.test("the timeout of a handled ask reports the chain and the actor that its handler waits for", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const [a] = await Promise.all(
    [0, 1].map((key) => node.spawn(counterDefinition(), key, { start: key })),
  );
  await node.spawn(
    { ...counterDefinition({ kind: "keeper" }), create: () => ({ receive() {} }) },
    0,
    { start: 0 },
  );
  const error = await mesh.settle(
    a.ask({ kind: "relay", path: ["counter/1", "keeper/0"] }, { budgetMs: 40 })
      .catch((reason) => reason),
  );
  assert.ok(error instanceof AskTimeoutError);
  assert.match(
    error.message,
    /counter\/0 on main: queued 0 ms .* handler 40 ms waiting for counter\/1/,
  );
});

Deno.test("a call cycle fails at once and names the cycle", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const a = await node.spawn(counterDefinition(), "a", { start: 0 });
  await node.spawn(counterDefinition(), "b", { start: 0 });
  const error = await mesh.settle(
    a.ask({ kind: "relay", path: ["counter/b", "counter/a"] }, { budgetMs }).catch((e) => e),
  );
  assert.ok(error instanceof CallCycleError);
  assert.match(error.message, /counter\/a→counter\/b→counter\/a/);
  assert.equal(mesh.clock.monotonicMs(), 0, "nobody waited for a timeout");
});

Deno.test("a full mailbox that rejects answers asks with overloaded and counts tells", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const counter = await node.spawn(counterDefinition({ mailbox: { capacity: 2 } }), 0, {
    start: 0,
  });
  const answers = [1, 2, 3].map(() =>
    counter.ask({ kind: "getCount" }, { budgetMs }).catch((error) => error)
  );
  for (let i = 0; i < 5; i++) counter.tell({ kind: "add", amount: 1 });
  const [first, second, third] = await mesh.settle(Promise.all(answers));
  assert.deepEqual([first, second], [0, 0]);
  assert.ok(third instanceof OverloadedError);
  assert.match(third.message, /counter\/0 is overloaded: 2 messages wait \(capacity 2\)/);
  await mesh.advance(0);
  assert.equal(node.statistics()[0].dropped, 3);
  assert.equal(await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })), 2);
});

Deno.test("with back-pressure asks wait for room in order, as many as the mailbox holds, and further asks are refused", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const mailbox = { capacity: 2, overflow: "backpressure" } as const;
  const counter = await mesh.node().spawn(counterDefinition({ mailbox }), 0, { start: 5 });
  const order: number[] = [];
  const outcomes = await mesh.settle(
    Promise.all(
      [0, 1, 2, 3, 4].map((i) =>
        counter.ask({ kind: "getCount" }, { budgetMs }).then(() => {
          order.push(i);
          return "answered";
        }, (error) => error.name)
      ),
    ),
  );
  assert.deepEqual(outcomes, ["answered", "answered", "answered", "answered", "OverloadedError"]);
  assert.deepEqual(order, [0, 1, 2, 3]);
});

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

Deno.test("a failing create fails the spawn with its reason, and leaves the address free", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  let fail = true;
  const options = { start: 3, failCreate: () => fail };
  await assert.rejects(
    mesh.node().spawn(counterDefinition(), 0, options),
    /counter\/0 failed: cannot start: Error: cannot create/,
  );
  fail = false;
  const counter = await mesh.node().spawn(counterDefinition(), 0, options);
  assert.equal(await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })), 3);
});

Deno.test("a transferred buffer leaves its sender, within a node and between two", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const counter = await mesh.node().spawn(counterDefinition(), 0, { start: 0 });
  const values = new Float32Array([1, 2, 3.5]);
  const answer = counter.ask({ kind: "sumOf", values }, { budgetMs, transfer: [values.buffer] });
  assert.equal(values.length, 0);
  const { sum, values: returned } = await mesh.settle(answer);
  assert.equal(sum, 6.5);
  assert.deepEqual([...returned], [1, 2, 3.5]);
});

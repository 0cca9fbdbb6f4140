import assert from "node:assert/strict";
import type { ActorDefinition, Request } from "../../../mesh/runtime/actor.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { AskTimeoutError, CallCycleError, OverloadedError } from "../../../mesh/runtime/errors.ts";
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

Deno.test("the time that asks wait for their actor is sampled, by its kind", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const definition: ActorDefinition<Request<void> & { kind: "wait" }, void> = {
    kind: "waiter",
    mailbox: { capacity: 64, overflow: "reject" },
    restart: { restartsMax: 0, periodMs: 1, backoffMs: 1, backoffMsMax: 1 },
    priorityOf: () => "read",
    create: (context) => ({
      async receive(message) {
        await context.pause(10);
        context.reply(message, undefined);
      },
    }),
  };
  const waiter = await mesh.node().spawn(definition, 0, undefined);
  const asks = Array.from({ length: 40 }, () => waiter.ask({ kind: "wait" }, { budgetMs: 195 }));
  const outcomes = await mesh.settle(Promise.allSettled(asks));
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 19);
  await mesh.advance(10);
  assert.deepEqual(
    mesh.telemetry.samples("cairn_actor_ask_wait_ms", { kind: "waiter" }),
    [0, 160, 200],
    "one of 16, also of those that are given up",
  );
  await mesh.stop();
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

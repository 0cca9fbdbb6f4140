/**
 * Asks that are cancelled by their signals: the asker knows at once, a receiver that has not begun
 * never handles it, and what was asked to answer it is cancelled too, here and on other nodes.
 */
import assert from "node:assert/strict";
import type { ActorDefinition, Address } from "../../../mesh/runtime/actor.ts";
import { Cancellation } from "../../../mesh/runtime/cancel_signal.ts";
import { ActorFailedError, AskCancelledError } from "../../../mesh/runtime/errors.ts";
import type { Node } from "../../../mesh/runtime/node.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { DeadlineWheel } from "../../../mesh/runtime/deadline_wheel.ts";
import { type Block, counterDefinition, type CounterMessage } from "./counter_actor.ts";
import { linkWithHold } from "./held_link.ts";

const BUDGET_MS = 10_000;

/** Counters on three nodes: `counter/a` on the first, `counter/b` on the second, and so on. */
async function countersOnThreeNodes() {
  const mesh = new SimulatedMesh({ seed: 1 });
  const nodes = [mesh.node("first"), mesh.node("second"), mesh.node("third")];
  const [first, second, third] = nodes;
  const links = [linkWithHold(mesh.clock, first, second), linkWithHold(mesh.clock, second, third)];
  const handled: string[] = [];
  const shielded: boolean[] = [];
  const counters = await mesh.settle(
    Promise.all(["a", "b", "c"].map((name, i) =>
      nodes[i].spawn(counterDefinition(), name, {
        start: i,
        gate: mesh.clock.delay(500),
        onHandled: (kind) => void handled.push(`${name} ${kind}`),
        onShielded: (isShielded) => void shielded.push(isShielded),
      })
    )),
  );
  first.setPlacement([["counter/b", "second"]]);
  second.setPlacement([["counter/c", "third"]]);
  // Each clock learns the other's offset.
  await mesh.settle(
    first.actorRef<CounterMessage>("counter/b").ask(
      { kind: "relay", path: ["counter/c"] },
      { budgetMs: BUDGET_MS },
    ),
  );
  handled.length = 0;
  return { mesh, first, second, third, links, counters, handled, shielded };
}

/** The counters of an actor's asks. */
function countsOf(node: Node, address: Address) {
  const found = node.statistics().find((each) => each.address === address);
  assert.ok(found);
  const { cancelled, expired, queued } = found;
  return { cancelled, expired, queued };
}

Deno.test("an ask that is cancelled in the mailbox fails at once, and is dropped and counted before it is handled", async () => {
  const { mesh, first, counters: [a], handled } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  a.ask({ kind: "block" }, { budgetMs: BUDGET_MS }).catch(() => {});
  const waiting = a.ask({ kind: "relay", path: [] }, {
    budgetMs: BUDGET_MS,
    signals: [cancellation],
  }).catch((error) => error);
  await mesh.advance(10);
  cancellation.abort();
  const error = await mesh.settle(waiting);
  assert.ok(error instanceof AskCancelledError);
  assert.match(error.message, /^The ask to counter\/a was cancelled/);
  assert.equal(mesh.clock.monotonicMs() < 500, true, "while the actor is busy");
  await mesh.advance(1_000);
  assert.deepEqual(handled, ["a block"]);
  assert.deepEqual(countsOf(first, "counter/a"), { cancelled: 1, expired: 0, queued: 0 });
});

Deno.test("an ask that is cancelled on its way to a thread that stands still is not handled there", async () => {
  const { mesh, first, second, links: [link], handled } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  link.toRight.hold();
  const asked = first.actorRef<CounterMessage>("counter/b").ask(
    { kind: "relay", path: [] },
    { budgetMs: BUDGET_MS, signals: [cancellation] },
  ).catch((error) => error);
  await mesh.advance(10);
  cancellation.abort();
  assert.ok(await mesh.settle(asked) instanceof AskCancelledError);
  // The thread is busy when both messages arrive: the ask waits behind another one.
  second.actorRef<CounterMessage>("counter/b")
    .ask({ kind: "block" }, { budgetMs: BUDGET_MS }).catch(() => {});
  await mesh.advance(10);
  link.toRight.release();
  await mesh.advance(1_000);
  assert.deepEqual(handled, ["b block"]);
  assert.deepEqual(countsOf(second, "counter/b"), { cancelled: 1, expired: 0, queued: 0 });
});

Deno.test("the cancel of an ask that is handled cancels what was asked to answer it, over two links", async () => {
  const { mesh, first, third, counters: [a], handled } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  third.actorRef<CounterMessage>("counter/c")
    .ask({ kind: "block" }, { budgetMs: BUDGET_MS }).catch(() => {});
  const asked = a.ask({ kind: "relay", path: ["counter/b", "counter/c"] }, {
    budgetMs: BUDGET_MS,
    signals: [cancellation],
  }).catch((error) => error);
  await mesh.advance(20);
  assert.deepEqual(handled, ["c block", "a relay", "b relay"], "the last relay waits");
  assert.deepEqual(countsOf(third, "counter/c").queued, 1);
  cancellation.abort();
  assert.ok(await mesh.settle(asked) instanceof AskCancelledError);
  await mesh.advance(20);
  // The handlers of a and b have ended: both take further requests while c is blocked.
  const next = first.actorRef<CounterMessage>("counter/b")
    .ask({ kind: "getCount" }, { budgetMs: 100 });
  assert.equal(await mesh.settle(next), 1);
  assert.equal(await mesh.settle(a.ask({ kind: "getCount" }, { budgetMs: 100 })), 0);
  await mesh.advance(1_000);
  assert.equal(handled.filter((each) => each === "c relay").length, 0);
  assert.equal(countsOf(third, "counter/c").cancelled, 1);
});

Deno.test("an ask with several signals is cancelled by the last of them", async () => {
  const { mesh, counters: [a] } = await countersOnThreeNodes();
  const [one, other] = [new Cancellation(), new Cancellation()];
  const both = a.ask({ kind: "answerLater" }, { budgetMs: BUDGET_MS, signals: [one, other] })
    .catch((error) => error);
  const alone = a.ask({ kind: "answerLater" }, { budgetMs: BUDGET_MS, signals: [one] })
    .catch((error) => error);
  await mesh.advance(1);
  one.abort();
  assert.ok(await mesh.settle(alone) instanceof AskCancelledError);
  a.tell({ kind: "tick" });
  assert.equal(await mesh.settle(both), 0, "it is answered");
  const again = a.ask({ kind: "answerLater" }, { budgetMs: BUDGET_MS, signals: [one, other] })
    .catch((error) => error);
  await mesh.advance(1);
  other.abort();
  assert.ok(await mesh.settle(again) instanceof AskCancelledError);
});

Deno.test("an ask without signals, or with an empty list, is not cancelled", async () => {
  const { mesh, counters: [a] } = await countersOnThreeNodes();
  const answers = [undefined, []].map((signals) =>
    a.ask({ kind: "answerLater" }, { budgetMs: BUDGET_MS, signals })
  );
  await mesh.advance(1);
  a.tell({ kind: "tick" });
  assert.deepEqual(await mesh.settle(Promise.all(answers)), [0, 0]);
});

Deno.test("a request that its handler shields is answered whatever its signal does", async () => {
  const { mesh, counters: [a] } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  const options = { budgetMs: BUDGET_MS, signals: [cancellation] };
  const shielded = a.ask({ kind: "answerLater", shields: true }, options);
  const other = a.ask({ kind: "answerLater" }, options).catch((error) => error);
  await mesh.advance(1);
  cancellation.abort();
  assert.ok(await mesh.settle(other) instanceof AskCancelledError);
  a.tell({ kind: "tick" });
  assert.equal(await mesh.settle(shielded), 0);
});

Deno.test("a handler that would shield its request is told that the asker has given it up", async () => {
  for (const isCancelled of [true, false]) {
    const { mesh, first, counters: [a], shielded } = await countersOnThreeNodes();
    for (const ref of [a, first.actorRef<CounterMessage>("counter/b")]) {
      const cancellation = new Cancellation();
      ref.ask({ kind: "block" }, { budgetMs: BUDGET_MS, signals: [cancellation] }).catch(() => {});
      await mesh.advance(10);
      if (isCancelled) cancellation.abort();
    }
    await mesh.advance(1_000);
    assert.deepEqual(shielded, [!isCancelled, !isCancelled]);
  }
});

Deno.test("what was asked to answer a shielded request is answered, though its asker cancels over a link, or ends", async () => {
  for (const end of ["cancel", "stop"] as const) {
    const { mesh, first, third, counters: [a], handled } = await countersOnThreeNodes();
    const cancellation = new Cancellation();
    third.actorRef<CounterMessage>("counter/c")
      .ask({ kind: "block" }, { budgetMs: BUDGET_MS }).catch(() => {});
    const outcome = a.ask(
      { kind: "relay", path: ["counter/b", "counter/c"], shieldedBy: "counter/b" },
      { budgetMs: BUDGET_MS, signals: [cancellation] },
    ).catch((error) => error);
    await mesh.advance(20);
    if (end === "cancel") cancellation.abort();
    else await mesh.settle(first.stopActor("counter/a", 0));
    assert.ok(await mesh.settle(outcome) instanceof Error, "the asker misses the answer");
    assert.ok(!handled.includes("c relay"));
    await mesh.advance(1_000);
    assert.ok(handled.includes("c relay"), end);
  }
});

Deno.test("a cancel, here and over a link, looks through no asks but those of its signal", async () => {
  const { mesh, first, counters: [a] } = await countersOnThreeNodes();
  const [cancellation, other] = [new Cancellation(), new Cancellation()];
  const remote = first.actorRef<CounterMessage>("counter/b");
  const ask = (signal: Cancellation) =>
    [a, remote].map((ref) =>
      ref.ask({ kind: "answerLater" }, { budgetMs: BUDGET_MS, signals: [signal] })
        .catch((error) => error)
    );
  const [cancelled, answered] = [ask(cancellation), ask(other)];
  await mesh.advance(10);
  const { filter } = DeadlineWheel.prototype;
  DeadlineWheel.prototype.filter = () => assert.fail("it looks through all asks of the node");
  try {
    cancellation.abort();
    await mesh.advance(10);
  } finally {
    DeadlineWheel.prototype.filter = filter;
  }
  for (const outcome of cancelled) {
    assert.ok(await mesh.settle(outcome) instanceof AskCancelledError);
  }
  a.tell({ kind: "tick" });
  remote.tell({ kind: "tick" });
  assert.deepEqual(await mesh.settle(Promise.all(answered)), [0, 1]);
});

Deno.test("a signal keeps no ask that is settled", async () => {
  const { mesh, counters: [a] } = await countersOnThreeNodes();
  const signals = [new Cancellation(), new Cancellation()];
  const held = () => signals.map(({ asks }) => asks?.length);
  const ask = (afterMs: number, of = signals) =>
    a.ask({ kind: "answerLater" }, { budgetMs: afterMs, signals: of }).catch((error) => error);
  const outcomes = [ask(100), ask(200), ask(300, [signals[1]])];
  await mesh.advance(1);
  assert.deepEqual(held(), [2, 3]);
  await mesh.settle(outcomes[0]);
  assert.deepEqual(held(), [1, 2]);
  a.tell({ kind: "tick" });
  await mesh.settle(Promise.all(outcomes));
  assert.deepEqual(held(), [0, 0]);
  const [answered, cancelled] = [ask(50, [signals[0]]), ask(BUDGET_MS, [signals[0]])];
  await mesh.settle(answered);
  signals[0].abort();
  assert.ok(await mesh.settle(cancelled) instanceof AskCancelledError);
});

Deno.test("a cancel that comes twice, or after the answer, does nothing", async () => {
  const { mesh, first, counters: [a], handled } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  const options = { budgetMs: BUDGET_MS, signals: [cancellation] };
  const remote = first.actorRef<CounterMessage>("counter/b");
  assert.equal(await mesh.settle(a.ask({ kind: "getCount" }, options)), 0);
  assert.equal(await mesh.settle(remote.ask({ kind: "getCount" }, options)), 1);
  cancellation.abort();
  cancellation.abort();
  await mesh.advance(10);
  assert.equal(await mesh.settle(remote.ask({ kind: "getCount" }, { budgetMs: 100 })), 1);
  assert.deepEqual(handled, ["a getCount", "b getCount", "b getCount"]);
});

Deno.test("a cancel that crosses the answer on the link is ignored", async () => {
  const { mesh, first, second, links: [link], handled } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  const remote = first.actorRef<CounterMessage>("counter/b");
  link.toLeft.hold();
  const asked = remote.ask({ kind: "getCount" }, {
    budgetMs: BUDGET_MS,
    signals: [cancellation],
  }).catch((error) => error);
  await mesh.advance(10);
  assert.deepEqual(handled, ["b getCount"]);
  cancellation.abort();
  assert.ok(await mesh.settle(asked) instanceof AskCancelledError);
  link.toLeft.release();
  await mesh.advance(10);
  assert.equal(await mesh.settle(remote.ask({ kind: "getCount" }, { budgetMs: 100 })), 1);
  assert.deepEqual(countsOf(second, "counter/b"), { cancelled: 0, expired: 0, queued: 0 });
});

Deno.test("an ask whose signals are aborted already is not sent", async () => {
  const { mesh, first, counters: [a], handled } = await countersOnThreeNodes();
  const cancellation = new Cancellation();
  cancellation.abort();
  for (const ref of [a, first.actorRef<CounterMessage>("counter/b")]) {
    const options = { budgetMs: BUDGET_MS, signals: [cancellation] };
    await assert.rejects(mesh.settle(ref.ask({ kind: "getCount" }, options)), AskCancelledError);
  }
  await mesh.advance(10);
  assert.deepEqual(handled, []);
});

Deno.test("a crash of the asker, and the end of its link, cancel what was asked to answer it", async () => {
  for (const end of ["crash", "link"] as const) {
    const { mesh, first, third, links: [link], counters: [a] } = await countersOnThreeNodes();
    const asked = a.ask(
      { kind: "relay", path: ["counter/b", "counter/c"], isKept: true },
      { budgetMs: BUDGET_MS },
    ).catch((error) => error);
    await mesh.advance(20);
    const c = third.actorRef<CounterMessage>("counter/c");
    if (end === "crash") {
      await mesh.settle(first.stopActor("counter/a", 0));
    } else {
      link.toLeft.closed(new Error("the host is gone"));
      link.toRight.closed(new Error("the host is gone"));
    }
    assert.ok(await mesh.settle(asked) instanceof ActorFailedError);
    await mesh.advance(20);
    // Nothing waits for an answer at the end of the chain, so the actor stops at once.
    assert.equal(await mesh.settle(third.stopActor(c.address, 5_000)), 0, end);
    assert.equal(mesh.clock.monotonicMs() < 1_000, true, end);
  }
});

Deno.test("a handler that goes on after its actor's crash shields no later ask of the same request", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const gates = [mesh.clock.delay(100), mesh.clock.delay(1_000)];
  const shielded: boolean[] = [];
  let incarnations = 0;
  const counter = counterDefinition({ restart: { backoffMs: 10 } });
  const keeper: ActorDefinition<CounterMessage, undefined> = {
    ...counter,
    create(context) {
      const gate = gates[incarnations++];
      return {
        receive(message) {
          if (message.kind === "crash") throw new Error("told to crash");
          void gate.then(() => shielded.push(context.shield(message)));
        },
      };
    },
  };
  const node = mesh.node("main", { copyMessages: false }); // the asker's object is the request
  const ref = await mesh.settle(node.spawn(keeper, 0, undefined));
  const request: Block = { kind: "block" };
  const cancellation = new Cancellation();
  const ask = () =>
    ref.ask(request, { budgetMs: BUDGET_MS, signals: [cancellation] }).catch((error) => error);
  const first = ask();
  await mesh.advance(1);
  ref.tell({ kind: "crash" });
  assert.ok(await mesh.settle(first) instanceof ActorFailedError);
  await mesh.advance(50); // it is restarted
  const second = ask();
  await mesh.advance(100);
  assert.deepEqual([incarnations, shielded], [2, [false]]);
  cancellation.abort();
  assert.ok(await mesh.settle(second) instanceof AskCancelledError);
});

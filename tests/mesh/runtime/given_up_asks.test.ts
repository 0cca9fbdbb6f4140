/**
 * An ask that was given up has no effect later: the receiver never handles it, wherever it waited
 * meanwhile.
 */
import assert from "node:assert/strict";
import { ActorFailedError, AskTimeoutError } from "../../../mesh/runtime/errors.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import { askerDefinition } from "./asker_actor.ts";
import { counterDefinition, type CounterMessage } from "./counter_actor.ts";
import { linkWithHold } from "./held_link.ts";

const LINK_GRACE_MS = 50;

async function counterAcrossLink() {
  const mesh = new SimulatedMesh({ seed: 1 });
  const [home, away] = [mesh.node("home"), mesh.node("away")];
  const link = linkWithHold(mesh.clock, home, away);
  home.setPlacement([["counter/away", "away"]]);
  away.setPlacement([["asker/0", "home"]]);
  const handled: string[] = [];
  await mesh.settle(
    away.spawn(counterDefinition(), "away", {
      start: 7,
      onHandled: (kind) => void handled.push(kind),
    }),
  );
  const counter = home.actorRef<CounterMessage>("counter/away");
  await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs: 100 }));
  handled.length = 0;
  return { mesh, home, away, link, handled, counter };
}

Deno.test("an ask that reaches a stalled thread after its asker gave it up is not handled", async () => {
  const { mesh, link, handled, counter } = await counterAcrossLink();
  link.toRight.hold();
  const late = counter.ask({ kind: "relay", path: [] }, { budgetMs: 100 });
  await assert.rejects(mesh.settle(late), AskTimeoutError);
  link.toRight.release();
  await mesh.advance(1_000);
  assert.deepEqual(handled, []);
  assert.equal(await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs: 100 })), 7);
});

Deno.test("time on the way counts against the budget of the receiver's handler", async () => {
  const { mesh, link, handled, counter } = await counterAcrossLink();
  link.toRight.hold();
  const answer = counter.ask({ kind: "answerLater" }, { budgetMs: 100 }).catch((error) => error);
  await mesh.advance(80);
  link.toRight.release();
  await mesh.advance(0);
  assert.deepEqual(handled, ["answerLater"]);
  const error = await mesh.settle(answer);
  assert.ok(error instanceof AskTimeoutError);
  // The receiver gives up at the end of the budget, 100 ms after the ask was sent.
  assert.match(error.message, /queued 7\d ms .* handler 2\d ms/);
  assert.ok(mesh.clock.monotonicMs() < 100 + LINK_GRACE_MS);
});

Deno.test("an ask is not handled after its deadline, also before the wheel has noticed it", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const node = mesh.node();
  const handled: string[] = [];
  // The wheel notices a deadline of 9 ms at 12 ms.
  const gate = mesh.clock.delay(10);
  const counter = await mesh.settle(
    node.spawn(counterDefinition({ mailbox: { overflow: "backpressure" } }), 0, {
      start: 0,
      gate,
      onHandled: (kind) => void handled.push(kind),
    }),
  );
  const blocked = counter.ask({ kind: "block" }, { budgetMs: 10_000 });
  const late = counter.ask({ kind: "relay", path: [] }, { budgetMs: 9 });
  const ended = late.catch((error) => error);
  await mesh.settle(blocked);
  assert.ok(await mesh.settle(ended) instanceof AskTimeoutError);
  assert.deepEqual(handled, ["block"]);
});

Deno.test("the asks of a crashed incarnation are withdrawn, from its own node's mailboxes and from another node's", async () => {
  const { mesh, home, away, handled } = await counterAcrossLink();
  const options = () => ({
    start: 0,
    gate: mesh.clock.delay(100),
    onHandled: (kind: string) => void handled.push(kind),
  });
  const near = await mesh.settle(home.spawn(counterDefinition(), "near", options()));
  const far = await mesh.settle(away.spawn(counterDefinition(), "far", options()));
  home.setPlacement([["counter/far", "away"]]);
  const asker = await mesh.settle(home.spawn(askerDefinition(), 0, { failed: () => {} }));
  near.ask({ kind: "block" }, { budgetMs: 10_000 }).catch(() => {});
  far.ask({ kind: "block" }, { budgetMs: 10_000 }).catch(() => {});
  await mesh.advance(1);
  asker.tell({ kind: "askBoth" });
  await mesh.advance(5);
  asker.tell({ kind: "crash" });
  await mesh.advance(5);
  await mesh.advance(1_000);
  assert.deepEqual(handled, ["block", "block"], "neither relay was handled");
});

Deno.test("an incarnation that has ended can neither tell nor ask", async () => {
  const { mesh, home, handled } = await counterAcrossLink();
  const failures: unknown[] = [];
  const asker = await mesh.settle(
    home.spawn(askerDefinition(), 0, { failed: (error) => void failures.push(error) }),
  );
  asker.tell({ kind: "sendAfterMs", ms: 500 });
  asker.tell({ kind: "crash" });
  await mesh.advance(1_000);
  assert.deepEqual(handled, []);
  assert.equal(home.deadLetters, 1);
  assert.ok(failures[0] instanceof ActorFailedError);
  assert.match(String(failures[0]), /asker\/0, which asks, has been restarted or stopped/);
});

Deno.test("asks of a node whose link breaks are not handled any more", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const [home, away] = [mesh.node("home"), mesh.node("away")];
  const link = mesh.link(home, away);
  home.setPlacement([["counter/0", "away"]]);
  const handled: string[] = [];
  const gate = mesh.clock.delay(100);
  const local = await mesh.settle(
    away.spawn(counterDefinition(), 0, {
      start: 0,
      gate,
      onHandled: (kind) => void handled.push(kind),
    }),
  );
  local.ask({ kind: "block" }, { budgetMs: 10_000 }).catch(() => {});
  const remote = home.actorRef<CounterMessage>("counter/0");
  const queued = remote.ask({ kind: "relay", path: [] }, { budgetMs: 10_000 }).catch((e) => e);
  await mesh.advance(5);
  link.break(new Error("the thread crashed"));
  assert.ok(await mesh.settle(queued) instanceof ActorFailedError);
  await mesh.advance(1_000);
  assert.deepEqual(handled, ["block"]);
});

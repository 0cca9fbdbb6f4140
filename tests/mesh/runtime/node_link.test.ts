import assert from "node:assert/strict";
import type { Link } from "../../../mesh/ports/transport.ts";
import {
  ActorFailedError,
  AskTimeoutError,
  CallCycleError,
  OverloadedError,
} from "../../../mesh/runtime/errors.ts";
import { Node } from "../../../mesh/runtime/node.ts";
import { NodeLink } from "../../../mesh/runtime/node_link.ts";
import { SimulatedMesh } from "../../../mesh/simulation/simulated_mesh.ts";
import type { SimulatedLinkPair } from "../../../mesh/simulation/simulated_link.ts";
import { counterDefinition, type CounterMessage } from "./counter_actor.ts";

const budgetMs = 1_000;

async function twoNodes(latencyMs = 1) {
  const mesh = new SimulatedMesh({ seed: 1, linkLatencyMs: latencyMs });
  const [home, away] = [mesh.node("home"), mesh.node("away")];
  const link: SimulatedLinkPair = mesh.link(home, away);
  home.setPlacement([["counter/away", "away"]]);
  away.setPlacement([["counter/home", "home"]]);
  const handled: string[] = [];
  await mesh.settle(away.spawn(counterDefinition(), "away", {
    start: 7,
    onHandled: (kind) => handled.push(kind),
  }));
  await mesh.settle(home.spawn(counterDefinition(), "home", { start: 5 }));
  return {
    mesh,
    home,
    away,
    link,
    handled,
    counter: home.actorRef<CounterMessage>("counter/away"),
  };
}

Deno.test("tells and asks to another node keep their order", async () => {
  const { mesh, counter } = await twoNodes();
  for (let i = 0; i < 10; i++) counter.tell({ kind: "add", amount: 1 });
  assert.equal(await mesh.settle(counter.ask({ kind: "relay", path: [] }, { budgetMs })), 17);
  assert.equal(mesh.clock.monotonicMs(), 2, "there and back");
});

Deno.test("the messages of a turn go out as one batch with one list of buffers to move", async () => {
  const sent: { value: unknown[]; transfer: number }[] = [];
  const link: Link = {
    send: (value, transfer) =>
      sent.push({ value: value as unknown[], transfer: transfer?.length ?? 0 }),
    onReceive() {},
    onClosed() {},
    close() {},
  };
  const mesh = new SimulatedMesh({ seed: 1 });
  const home = mesh.node("home");
  new NodeLink(home, "away", link);
  home.setPlacement([["counter/away", "away"]]);
  const counter = home.actorRef<CounterMessage>("counter/away");
  const values = new Float32Array(4);
  for (let i = 0; i < 100; i++) counter.tell({ kind: "add", amount: i });
  for (let i = 0; i < 2; i++) {
    counter.ask({ kind: "sumOf", values }, { budgetMs, transfer: [values.buffer] }).catch(() => {});
  }
  await mesh.advance(0);
  assert.equal(sent.length, 1);
  assert.equal(sent[0].transfer, 1, "a buffer that is named twice moves once");
  counter.tell({ kind: "add", amount: 1 });
  await mesh.advance(0);
  assert.equal(sent.length, 2);
});

Deno.test("a trace goes along with a request, to the log lines of every actor on the way", async () => {
  const { mesh, home, counter } = await twoNodes();
  const first = home.actorRef<CounterMessage>("counter/home");
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const relay = (trace?: string) =>
    mesh.settle(first.ask({ kind: "relay", path: ["counter/away"] }, { budgetMs, trace }));
  await relay(trace);
  await relay();
  assert.deepEqual(
    mesh.telemetry.lines.map(({ message, fields }) => [message, fields.traceId]),
    [
      ["counter/home relays", "0af7651916cd43dd8448eb211c80319c"],
      ["counter/away relays", "0af7651916cd43dd8448eb211c80319c"],
      ["counter/home relays", undefined],
      ["counter/away relays", undefined],
    ],
  );
  await mesh.settle(counter.ask({ kind: "answerLater", afterMs: 5 }, { budgetMs, trace }));
  assert.equal(mesh.telemetry.lines.at(-1)!.fields.trace, trace, "in a later turn too");
});

Deno.test("the budget goes along: the other node says where the time went", async () => {
  const { mesh, counter } = await twoNodes(1);
  const error = await mesh.settle(
    counter.ask({ kind: "answerLater" }, { budgetMs: 50 }).catch((reason) => reason),
  );
  assert.ok(error instanceof AskTimeoutError);
  assert.match(error.message, /^ask timeout 50 ms: counter\/away on away: queued 0 ms behind 0/);
  assert.match(error.message, /handler 5\d ms; chain counter\/away\.$/);
});

Deno.test("a node that says nothing is named when the budget has run out", async () => {
  const { mesh, counter } = await twoNodes(10_000);
  const error = await mesh.settle(
    counter.ask({ kind: "getCount" }, { budgetMs: 50 }).catch((reason) => reason),
  );
  assert.ok(error instanceof AskTimeoutError);
  assert.match(error.message, /counter\/away on away: no report from away: its thread is busy, or/);
  await mesh.advance(30_000); // the late answer is ignored
});

Deno.test("a link forgets an ask whose budget has run out", async () => {
  const silent: Link = { send() {}, onReceive() {}, onClosed() {}, close() {} };
  const mesh = new SimulatedMesh({ seed: 1 });
  const home = mesh.node("home");
  const link = new NodeLink(home, "away", silent);
  home.setPlacement([["counter/away", "away"]]);
  const counter = home.actorRef<CounterMessage>("counter/away");
  const asked = counter.ask({ kind: "getCount" }, { budgetMs: 50 });
  const error = await mesh.settle(asked.catch((reason) => reason));
  assert.ok(error instanceof AskTimeoutError);
  assert.deepEqual(link.takePending(), []);
});

Deno.test("a link keeps no ask that it has answered", async () => {
  let receive: (value: unknown) => void = () => {};
  const peerless: Link = {
    send() {},
    onReceive: (listener) => receive = listener,
    onClosed() {},
    close() {},
  };
  const mesh = new SimulatedMesh({ seed: 1 });
  const home = mesh.node("home");
  const link = new NodeLink(home, "away", peerless);
  await mesh.settle(home.spawn(counterDefinition(), "home", { start: 0 }));
  const kinds = ["getCount", "crashOnAsk", "getCount", "answerLater"];
  kinds.forEach((kind, id) =>
    receive([0, 0, 2, id, "counter/home", { kind }, budgetMs, budgetMs, [], [], undefined])
  );
  await mesh.advance(500);
  assert.deepEqual(link.takeUnanswered().map(({ linkId }) => linkId), [kinds.length - 1]);
});

Deno.test("a chain of asks over nodes is whole in the error", async () => {
  const { mesh, away, counter } = await twoNodes();
  const silent = { ...counterDefinition({ kind: "silent" }), create: () => ({ receive() {} }) };
  await mesh.settle(away.spawn(silent, 0, { start: 0 }));
  const error = await mesh.settle(
    counter.ask({ kind: "relay", path: ["counter/home", "counter/away"] }, { budgetMs: 60 })
      .catch((reason) => reason),
  );
  assert.ok(error instanceof CallCycleError);
  assert.deepEqual(error.chain, ["counter/away", "counter/home", "counter/away"]);
});

Deno.test("a chain of asks over nodes is whole in the error of a timeout", async () => {
  const { mesh, home, away, counter } = await twoNodes();
  const silent = { ...counterDefinition({ kind: "silent" }), create: () => ({ receive() {} }) };
  await mesh.settle(away.spawn(silent, 0, { start: 0 }));
  home.setPlacement([["silent/0", "away"]]);
  const error = await mesh.settle(
    counter.ask({ kind: "relay", path: ["counter/home", "silent/0"] }, { budgetMs: 60 })
      .catch((reason) => reason),
  );
  assert.ok(error instanceof AskTimeoutError);
  assert.match(error.message, /waiting for counter\/home|chain counter\/away→counter\/home/);
});

Deno.test("a peer that sends what is no batch is closed with a reason", async () => {
  const closed: (string | undefined)[] = [];
  for (const batch of [[0, 0, 99], [1, 0], "batch", [NaN, 0], undefined]) {
    const mesh = new SimulatedMesh({ seed: 1 });
    const home = mesh.node("home");
    let receive: (value: unknown) => void = () => {};
    new NodeLink(home, "away", {
      send() {},
      onReceive: (listener) => void (receive = listener),
      onClosed() {},
      close: (reason) => void closed.push(reason),
    });
    home.setPlacement([["counter/away", "away"]]);
    receive(batch);
    await assert.rejects(
      mesh.settle(
        home.actorRef<CounterMessage>("counter/away").ask({ kind: "getCount" }, {
          budgetMs,
        }),
      ),
      /away is gone: away sent a batch that makes no sense/,
    );
  }
  assert.match(closed[0]!, /away sent a batch that makes no sense: it has the unknown frame 99/);
  assert.equal(closed.length, 5);
});

Deno.test("a congested link refuses new messages and says which connection is full", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const home = mesh.node("home");
  let sent = 0;
  const link = new NodeLink(home, "away", {
    send: () => void sent++,
    onReceive() {},
    onClosed() {},
    close() {},
    isCongested: true,
  });
  home.setPlacement([["counter/away", "away"]]);
  const counter = home.actorRef<CounterMessage>("counter/away");
  counter.tell({ kind: "add", amount: 1 });
  await assert.rejects(
    mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })),
    /counter\/away cannot be asked now: the connection to away is full/,
  );
  assert.deepEqual([sent, link.dropped], [0, 1]);
});

Deno.test("a broken link fails pending asks at once, and later asks too", async () => {
  const { mesh, counter, link } = await twoNodes();
  const waiting = counter.ask({ kind: "answerLater" }, { budgetMs: 60_000 }).catch((e) => e);
  await mesh.advance(10);
  link.break(new Error("the process was killed"));
  const error = await mesh.settle(waiting);
  assert.ok(error instanceof ActorFailedError);
  assert.match(error.message, /counter\/away failed: away is gone: the process was killed/);
  assert.ok(mesh.clock.monotonicMs() < 20);
  await assert.rejects(
    mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })),
    /counter\/away failed: away is gone: the process was killed/,
  );
  counter.tell({ kind: "add", amount: 1 });
  assert.equal(mesh.node("home").deadLetters, 1);
});

Deno.test("a peer that reads nothing is not sent more than it may leave unread", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const home = mesh.node("home");
  let frames = 0;
  const link: Link = {
    send: (value) => void (frames += ((value as unknown[]).length - 2) / 3),
    onReceive() {},
    onClosed() {},
    close() {},
  };
  const nodeLink = new NodeLink(home, "away", link);
  home.setPlacement([["counter/away", "away"]]);
  const counter = home.actorRef<CounterMessage>("counter/away");
  for (let i = 0; i < 70_000; i++) counter.tell({ kind: "add", amount: 1 });
  await assert.rejects(
    mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })),
    OverloadedError,
  );
  assert.equal(frames, 65_536);
  assert.equal(nodeLink.dropped, 70_000 - 65_536);
});

Deno.test("a peer that keeps up is never refused, however much is sent over time", async () => {
  const { mesh, home, counter } = await twoNodes();
  for (let burst = 0; burst < 200; burst++) {
    for (let i = 0; i < 900; i++) counter.tell({ kind: "add", amount: 1 });
    await mesh.advance(5);
  }
  assert.equal(await mesh.settle(counter.ask({ kind: "getCount" }, { budgetMs })), 180_007);
  assert.ok(home instanceof Node);
});

Deno.test("an error of the actor's own keeps its name and data over a link", async () => {
  const mesh = new SimulatedMesh({ seed: 1 });
  const [home, away] = [mesh.node("home"), mesh.node("away")];
  mesh.link(home, away);
  home.setPlacement([["strict/0", "away"]]);
  class QuotaError extends Error {
    override readonly name = "QuotaError";
    readonly limit = 9;
  }
  const strict = {
    ...counterDefinition({ kind: "strict" }),
    create: (context: { replyError(request: CounterMessage, error: Error): void }) => ({
      receive: (message: CounterMessage) => context.replyError(message, new QuotaError("too many")),
    }),
  };
  await mesh.settle(away.spawn(strict, 0, { start: 0 }));
  const error = await mesh.settle(
    home.actorRef<CounterMessage>("strict/0").ask({ kind: "getCount" }, { budgetMs })
      .catch((reason) => reason),
  );
  assert.ok(error instanceof Error);
  assert.equal(error.name, "QuotaError");
  assert.equal(error.message, "too many");
  assert.equal((error as QuotaError).limit, 9);
});

import assert from "node:assert/strict";
import type { Address } from "../../../mesh/runtime/actor.ts";
import { Ask, type AskOrigin } from "../../../mesh/runtime/ask.ts";

function askOf(address: Address, origin: Partial<AskOrigin> = {}): Ask {
  return new Ask({
    address,
    message: { kind: "m" },
    sentAtMs: 0,
    budgetMs: 1,
    deadlineMs: 1,
    nodeName: "n",
    sender: undefined,
    parent: undefined,
    remoteChain: undefined,
    trace: undefined,
    onValue() {},
    onError() {},
    ...origin,
  });
}

const sender = (address: string) => ({ address, askSent() {}, askSettled() {} });

/** The ask as another node receives it. */
const received = (ask: Ask) =>
  askOf(ask.address, { remoteChain: ask.askers(), remoteSerials: ask.askerSerials() });

Deno.test("an ask that comes back over other nodes is part of the request that waits for it", () => {
  const first = askOf("a/0");
  const toB = received(askOf("b/0", { sender: sender("a/0"), parent: first }));
  const toC = received(askOf("c/0", { sender: sender("b/0"), parent: toB }));
  const back = received(askOf("a/0", { sender: sender("c/0"), parent: toC }));
  assert.deepEqual(back.chain(), ["a/0", "b/0", "c/0", "a/0"]);
  assert.ok(back.isPartOf(first));
  assert.ok(back.isPartOf(toB) && back.isPartOf(toC));
  assert.ok(!back.isPartOf(askOf("a/0")), "the actor is busy with another request by now");
  // The last step stays on one node.
  assert.ok(askOf("a/0", { sender: sender("c/0"), parent: toC }).isPartOf(first));
});

Deno.test("an ask from outside the actors, or from a told message, is part of none", () => {
  const request = askOf("a/0");
  assert.ok(!received(askOf("b/0")).isPartOf(request));
  const told = received(askOf("b/0", { sender: sender("a/0") }));
  assert.deepEqual(told.remoteSerials, [0]);
  assert.ok(!told.isPartOf(request));
});

/**
 * The acceptance mark of a trainer, as parameter sync asks for it.
 */
import assert from "node:assert/strict";
import type { GetAcceptanceMark, TrainerMessage } from "../../../actors/trainer/protocol.ts";
import { Loop } from "../loop.ts";

function mark(loop: Loop, known?: GetAcceptanceMark["known"]) {
  const trainer = loop.mesh.node().actorRef<TrainerMessage>("trainer/0");
  const question = { kind: "getAcceptanceMark", ...(known && { known }) } as const;
  const asked = trainer.ask(question, { budgetMs: 1_000 });
  return loop.mesh.settle(asked);
}

async function learnOne(loop: Loop): Promise<number> {
  const { rankingId } = await loop.rank("user", ["item"]);
  const acceptedAtMs = await loop.act(rankingId, "item", "click");
  await loop.mesh.advance(1_000);
  return acceptedAtMs;
}

Deno.test("a mark rises and its progress grows with what is learned, and stand still otherwise", async () => {
  const loop = await Loop.start();
  const first = await mark(loop);
  await loop.mesh.advance(5_000);
  assert.deepEqual(await mark(loop), first);
  const acceptedAtMs = await learnOne(loop);
  const second = await mark(loop);
  assert.equal(second.learnedThroughMs, acceptedAtMs);
  assert.ok(second.progress > first.progress);
  assert.deepEqual(second.scope, first.scope);
  await loop.stop();
});

Deno.test("a trainer leaves out the scope that the asker names, and has another one after a restart", async () => {
  const loop = await Loop.start({ shards: 2 });
  await learnOne(loop);
  const { scope, ...rest } = await mark(loop);
  assert.equal(scope?.incarnations.length, 2);
  assert.equal(scope?.dealing, 0);
  const known = { ...rest, scope: scope.id };
  assert.deepEqual(await mark(loop, known), rest);
  await loop.restart("trainer/0");
  await loop.mesh.advance(1_000);
  const again = await mark(loop, known);
  assert.notEqual(again.scope?.id, scope?.id);
  assert.deepEqual(again.scope?.incarnations, scope?.incarnations, "no shard was restarted");
  await loop.stop();
});

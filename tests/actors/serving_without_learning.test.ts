/**
 * Goal: rankings and events do not depend on learning. Methods: the trainer is gone and both logs
 * are small; visits go on for many times the size of the logs, and then the trainer comes back. Or
 * a record of the example log is damaged, so that the trainer crashes whenever it reads.
 */
import assert from "node:assert/strict";
import { Loop } from "./loop.ts";

Deno.test("rankings and events go on while nothing is trained and the logs are full, and learning resumes", async () => {
  const loop = await Loop.start({ exampleBytesMax: 20_000, eventBytesMax: 60_000 });
  const visit = async (item: string) => {
    const { rankingId, modelVersion } = await loop.rank("u", [item, "other"]);
    const acceptedAtMs = await loop.act(rankingId, item, "click");
    await loop.mesh.advance(200);
    return { acceptedAtMs, modelVersion };
  };
  for (let i = 0; i < 20; i++) await visit("before");
  await loop.mesh.settle(loop.mesh.node().stopActor("trainer/0", 0));
  for (let i = 0; i < 600; i++) await visit("during"); // each of them is answered
  const { examplesDropped, warning, impressionsOpen } = await loop.joinerStatus();
  assert.ok(examplesDropped > 300, `${examplesDropped} examples dropped`);
  assert.match(warning ?? "", /rankings go on/);
  assert.ok(impressionsOpen < 600);
  assert.ok(loop.eventLog.usage().bytes < 60_000);
  assert.equal((await loop.rankerStatus()).ready, true);

  await loop.restart("trainer/0");
  let acceptedAtMs = 0;
  for (let i = 0; i < 20; i++) {
    await loop.mesh.advance(1_000);
    await loop.exampleLog.trim(0, (await loop.trainerStatus()).offset - 1); // as after a snapshot
    ({ acceptedAtMs } = await visit("after"));
  }
  await loop.mesh.advance(2_000);
  assert.equal((await loop.joinerStatus()).warning, undefined);
  const ranking = await loop.rank("u", ["after", "never"]);
  assert.ok(ranking.learnedThroughMs >= acceptedAtMs);
  assert.equal(ranking.items[0].id, "after");
  assert.equal(ranking.items[0].cold, false);
  await loop.stop();
});

Deno.test("rankings and events go on while a trainer crashes at each start, and it is never given up", async () => {
  const loop = await Loop.start();
  const visit = async () => {
    const { rankingId } = await loop.rank("u", ["item", "other"]);
    await loop.act(rankingId, "item", "click");
    await loop.mesh.advance(10_000);
  };
  await visit();
  await loop.exampleLog.append(0, [new Uint8Array(100)]);
  for (let i = 0; i < 30; i++) await visit(); // each of them is answered
  const trainer = loop.mesh.node().statistics().find(({ address }) => address === "trainer/0");
  assert.notEqual(trainer?.state, "stopped");
  assert.ok((trainer?.restarts ?? 0) > 20, `${trainer?.restarts} restarts in five minutes`);
  assert.equal((await loop.rankerStatus()).ready, true);
  assert.equal((await loop.joinerStatus()).actionsMatched, 31);
  await loop.stop();
});

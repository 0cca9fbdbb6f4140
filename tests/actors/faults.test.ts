import assert from "node:assert/strict";
import fc from "fast-check";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import type { ServingReplicaMessage } from "../../actors/serving_replica/protocol.ts";
import type { Address } from "../../mesh/runtime/actor.ts";
import { Loop } from "./loop.ts";

const SHARDS = 2;
const TRAINERS = 2;
const BUDGET = { budgetMs: 1_000 };

/** Actors that may restart and lose their memory. The shards keep their tables. */
const RESTARTABLE: readonly Address[] = [
  "joiner/0",
  "trainer/0",
  "trainer/1",
  "parameter_sync/0",
  "row_feed/0",
  "ranker/0",
  "scorer/0",
  "serving_replica/0",
  "serving_replica/1",
];

const step = fc.record({
  user: fc.nat(4),
  item: fc.nat(12),
  clicks: fc.nat(3),
  pauseMs: fc.nat(120),
  restarts: fc.option(fc.constantFrom(...RESTARTABLE), { freq: 4 }),
});

/** Asserts that replicas serve exactly the rows of their shards. */
async function assertServedAsLearned(loop: Loop): Promise<void> {
  for (let s = 0; s < SHARDS; s++) {
    const shard = loop.mesh.node().actorRef<EmbeddingShardMessage>(`embedding_shard/${s}`);
    const replica = loop.mesh.node().actorRef<ServingReplicaMessage>(`serving_replica/${s}`);
    const { ids, rows, done } = await loop.mesh.settle(
      shard.ask({ kind: "exportRows", rowsMax: 100_000 }, BUDGET),
    );
    assert.ok(done);
    const starts = Uint32Array.of(0, ids.length);
    const served = await loop.mesh.settle(replica.ask({ kind: "lookup", ids, starts }, BUDGET));
    assert.deepEqual(served.rows, rows);
    assert.ok(served.found.every((found) => found === 1));
    const statistics = await loop.mesh.settle(replica.ask({ kind: "getStatistics" }, BUDGET));
    assert.equal(statistics.rows, ids.length);
  }
}

Deno.test("whatever actor restarts at whatever moment, no click is lost and replicas serve the learned rows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const loop = await Loop.start({
        shards: SHARDS,
        trainers: TRAINERS,
        trainer: { batchRows: 8 },
        joiner: { lingerMs: 10 },
      });
      let lastAcceptedAtMs = 0;
      let clicked = 0;
      for (const { user, item, clicks, pauseMs, restarts } of steps) {
        const items = Array.from({ length: 4 }, (_, k) => `item-${item + k}`);
        // While replicas are being filled a ranking may be refused; this visit then has no clicks.
        const ranking = await loop.rank(`user-${user}`, items).catch(() => undefined);
        for (let k = 0; ranking !== undefined && k < clicks; k++) {
          lastAcceptedAtMs = await loop.act(ranking.rankingId, items[k], "click");
          clicked++;
        }
        await loop.mesh.advance(pauseMs);
        if (restarts !== null) await loop.restart(restarts);
      }
      await loop.mesh.advance(5_000);

      let rows = 0;
      for (let partition = 0; partition < TRAINERS; partition++) {
        const chunks = await loop.examples(partition);
        rows += chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
        const { offset } = await loop.trainerStatus(partition);
        assert.equal(offset, chunks.length);
      }
      assert.equal(rows, clicked, "each click is one example");
      assert.equal((await loop.feedStatus()).learnedThroughMs, lastAcceptedAtMs);
      await assertServedAsLearned(loop);
      await loop.stop();
    }),
    { numRuns: 15 },
  );
});

/**
 * A trainer that is behind: examples that are decided one by one meanwhile come in full batches.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../../actors/embedding_shard/protocol.ts";
import { Loop } from "../loop.ts";

const BATCH_ROWS = 8;
const CLICKS = 160;

/** A loop whose shards handle the first lookup for some time. */
async function loopOf({ partitions = 1, firstLookupMs = 0 }): Promise<Loop> {
  let lookups = 0;
  return await Loop.start({
    partitions,
    joiner: { windowMs: 3_600_000, lingerMs: 2 },
    trainer: { batchRows: BATCH_ROWS },
    interference: {
      shard: (definition) => ({
        ...definition,
        create: async (context, options) => {
          const shard = await definition.create(context, options);
          return {
            receive: async (message: EmbeddingShardMessage) => {
              if (message.kind === "lookup" && lookups++ === 0) await context.pause(firstLookupMs);
              await shard.receive(message);
            },
            stop: () => shard.stop?.(),
          };
        },
      }),
    },
  });
}

/** Decides one example after the other, each longer than the linger after the one before. */
async function click(loop: Loop): Promise<void> {
  for (let i = 0; i < CLICKS; i++) {
    const { rankingId } = await loop.rank(`user-${i % 5}`, [`item-${i % 7}`]);
    await loop.act(rankingId, `item-${i % 7}`, "click");
    await loop.mesh.advance(5);
  }
}

for (const partitions of [1, 4]) {
  Deno.test(`a trainer of ${partitions} partitions that was behind learns many single examples in few steps`, async () => {
    const loop = await loopOf({ partitions, firstLookupMs: 3_000 });
    await click(loop);
    await loop.mesh.advance(5_000);
    const { steps, examples } = await loop.trainerStatus();
    assert.equal(examples, CLICKS);
    // The first example of a partition comes alone, and the last ones may not fill a batch.
    assert.ok(steps <= CLICKS / BATCH_ROWS + 2 * partitions, `${steps} steps`);
    await loop.stop();
  });
}

Deno.test("a trainer that is not behind learns each example when its linger is over", async () => {
  const loop = await loopOf({});
  await click(loop);
  assert.deepEqual(
    (({ steps, examples }) => ({ steps, examples }))(await loop.trainerStatus()),
    { steps: CLICKS, examples: CLICKS },
  );
  await loop.stop();
});

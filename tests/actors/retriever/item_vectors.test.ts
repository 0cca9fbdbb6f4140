import assert from "node:assert/strict";
import { Bitmap } from "../../../actors/retriever/bitmap.ts";
import { HeldItems } from "../../../actors/retriever/held_items.ts";
import { ItemVectors } from "../../../actors/retriever/item_vectors.ts";
import type { Embed, Embedded } from "../../../actors/scorer/protocol.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";
import { VirtualClock } from "../../../mesh/simulation/virtual_clock.ts";

const schema: FeatureSchema = {
  slots: [{ kind: "id", name: "item", number: 1, source: "item", pooling: "sum" }],
  dense: [],
  denseWidth: 0,
  keptOfItems: [],
};

/** Items, and a scorer whose vectors of one number, and missing shards, can be set. */
function someItems(itemsMax = 10) {
  const clock = new VirtualClock();
  const scorer = { value: 1, shardsAway: 0 };
  const ask = ({ features: { rows } }: Embed): Promise<Embedded> => {
    const vectors = Float32Array.from(
      { length: 2 * rows },
      (_, i) => i % 2 === 0 ? scorer.value : 0,
    );
    return Promise.resolve({ dim: 1, vectors, shardsAway: scorer.shardsAway });
  };
  const items = new HeldItems(itemsMax, []);
  const held = new Bitmap();
  const vectors: ItemVectors = new ItemVectors({
    context: {
      clock,
      isCurrent: true,
      actorRef: () => ({ ask }),
      schedule: (delayMs: number) => clock.schedule(delayMs, () => vectors.refreshVectors()),
    } as never,
    options: { scorer: "scorer/0", schema, dim: 1, itemsMax, refreshShare: 0.5 } as never,
    items,
    held,
  });
  return {
    ...{ clock, scorer, vectors },
    put(id: string) {
      const index = items.put(id, {}) ?? assert.fail("there is room");
      held.set(index, true);
      vectors.changed(index);
      vectors.embedChanged();
    },
    /** The numbers of the items that are found, the greatest first. */
    found() {
      const mask = vectors.embedded.words(items.end);
      const query = Float32Array.of(1);
      return [...vectors.search({ query, mask, order: "innerProduct", count: 5 }).scores].map(
        Math.round,
      );
    },
  };
}

Deno.test("while a shard is away new items get vectors, others keep theirs, and all are made again", async () => {
  const { clock, scorer, vectors, put, found } = someItems();
  put("a");
  await clock.advance(1_000);
  assert.deepEqual([found(), vectors.waiting], [[1], 0]);
  Object.assign(scorer, { value: 10, shardsAway: 1 });
  put("a");
  put("b");
  await clock.advance(2_000);
  assert.deepEqual([found(), vectors.waiting], [[10, 1], 2]);
  Object.assign(scorer, { value: 30, shardsAway: 0 });
  await clock.advance(1_000);
  assert.deepEqual([found(), vectors.waiting], [[30, 30], 0]);
  vectors.stop();
});

Deno.test("a vector that lacks rows gives way to one that lacks as many or fewer", async () => {
  const { clock, scorer, vectors, put, found } = someItems();
  const next = async (value: number, shardsAway: number) => {
    Object.assign(scorer, { value, shardsAway });
    await clock.advance(1_000);
    return found();
  };
  Object.assign(scorer, { value: 1, shardsAway: 3 });
  put("a");
  assert.deepEqual(await next(2, 3), [2], "the model has learned");
  assert.deepEqual(await next(3, 1), [3]);
  assert.deepEqual(await next(4, 2), [3]);
  assert.deepEqual([await next(5, 1), vectors.waiting], [[5], 1]);
  assert.deepEqual([await next(6, 0), vectors.waiting], [[6], 0]);
  vectors.stop();
});

Deno.test("a new item does not wait for those that lack rows", async () => {
  const { clock, scorer, vectors, put } = someItems(3_000);
  scorer.shardsAway = 1;
  for (let i = 0; i < 2_000; i++) put(`item-${i}`);
  await clock.advance(10);
  assert.deepEqual([vectors.embeddedCount, vectors.waiting], [2_000, 2_000]);
  await clock.advance(1_000);
  put("new");
  await clock.advance(10);
  assert.deepEqual([vectors.embeddedCount, vectors.waiting], [2_001, 2_001]);
  scorer.shardsAway = 0;
  await clock.advance(1_000);
  assert.equal(vectors.waiting, 0);
  vectors.stop();
});

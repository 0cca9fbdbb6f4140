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

/** Two items, and a scorer whose vectors of one number, and missing shards, can be set. */
function twoItems() {
  const clock = new VirtualClock();
  const scorer = { value: 1, shardsAway: 0 };
  const ask = ({ features: { rows } }: Embed): Promise<Embedded> => {
    const vectors = Float32Array.from(
      { length: 2 * rows },
      (_, i) => i % 2 === 0 ? scorer.value : 0,
    );
    return Promise.resolve({ dim: 1, vectors, shardsAway: scorer.shardsAway });
  };
  const items = new HeldItems(10, []);
  const held = new Bitmap();
  const vectors: ItemVectors = new ItemVectors({
    context: {
      clock,
      isCurrent: true,
      actorRef: () => ({ ask }),
      schedule: (delayMs: number) => clock.schedule(delayMs, () => vectors.refreshVectors()),
    } as never,
    options: { scorer: "scorer/0", schema, dim: 1, itemsMax: 10, refreshShare: 1 } as never,
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
  const { clock, scorer, vectors, put, found } = twoItems();
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

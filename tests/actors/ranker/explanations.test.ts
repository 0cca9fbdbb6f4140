/**
 * Goal: explanations of a ranking, within their bounds.
 */
import assert from "node:assert/strict";
import { altered } from "../altered.ts";
import { Loop } from "../loop.ts";

Deno.test("explanations are the same however many rows a pass may have", async () => {
  const items = ["a", "b", "c", "d", "e"];
  const explain = async (batchRowsMax: number) => {
    const loop = await Loop.start({ scorer: { batchRowsMax } });
    for (const item of items) {
      const { rankingId } = await loop.rank("u", items);
      await loop.act(rankingId, item, "click");
      await loop.mesh.advance(100);
    }
    await loop.mesh.advance(1_000);
    const ranking = await loop.rank("u", items, { explain: true });
    await loop.stop();
    return ranking.items;
  };
  assert.deepEqual(await explain(7), await explain(1_000));
});

Deno.test("the best items are explained, at most as many as `explainedItemsMax`", async () => {
  const loop = await Loop.start({ ranker: { explainedItemsMax: 2 } });
  const { items } = await loop.rank("u", ["a", "b", "c"], { explain: true });
  assert.deepEqual(items.map(({ explanation }) => explanation?.length), [3, 3, undefined]);
  await loop.stop();
});

Deno.test("rankings with explanations beyond `explainingMax` are refused before they are scored", async () => {
  let rows = 0;
  const loop = await Loop.start({
    ranker: { explainingMax: 2 },
    interference: {
      inferenceSession: (session) =>
        altered(session, {
          predict(batch) {
            rows += batch.rows;
            return session.predict(batch);
          },
        }),
    },
  });
  for (let round = 0; round < 3; round++) {
    rows = 0;
    const requests = Array.from(
      { length: 5 },
      (_, i) => loop.requestRanking("u", ["a"], { explain: i > 0 }),
    );
    const outcomes = await loop.mesh.settle(Promise.allSettled(requests));
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status === "rejected" ? outcome.reason.name : "answered"),
      ["answered", "answered", "answered", "OverloadedError", "OverloadedError"],
    );
    assert.equal(rows, 3 + 2 * (1 + 3), "three rankings, two explanations of three slots");
  }
  await loop.stop();
});

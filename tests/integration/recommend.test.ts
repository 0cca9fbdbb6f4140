/** Recommendations over HTTP by a real mesh, in either placement. */
import assert from "node:assert/strict";
import { eventually } from "./mesh_process.ts";
import {
  allPlacements,
  type PlacementName,
  recommendations,
  smallConfiguration,
  startSmallMesh,
} from "./small_mesh.ts";

for (const placement of Object.keys(allPlacements) as PlacementName[]) {
  Deno.test(`stored items are recommended, and events on them learned ${placement}`, async () => {
    const { mesh, client, problems } = await startSmallMesh(
      smallConfiguration(placement) + recommendations,
    );
    try {
      const items = Array.from({ length: 30 }, (_, i) => {
        return { id: `i${i}`, attributes: { tags: [i % 3 === 0 ? "a" : "b"], price: i } };
      });
      await client.ask("/v1/items", items);
      const recommend = (more = {}) =>
        client.ask("/v1/recommend", { user: "ann", limit: 5, ...more });
      await eventually(async () => (await recommend({ limit: 30 })).items.length === 30);
      const ranking = await recommend({ rules: { filter: "price < 10" } });
      assert.equal(ranking.items.length, 5);
      assert.ok(ranking.items.every(({ id }) => Number(id.slice(1)) < 10));
      const [event] = await client.post([{
        eventId: "e",
        rankingId: ranking.rankingId,
        item: ranking.items[2].id,
        action: "click",
      }]);
      assert.equal(event.status, "accepted");
      await eventually(async () => (await recommend()).learnedThroughMs >= event.acceptedAtMs);
      const similar = await client.ask("/v1/similar", { item: "i3", limit: 4 });
      assert.equal(similar.items.length, 4);
      const recent = await recommend({ sources: ["recent"], candidates: 5 });
      assert.deepEqual(recent.items.map(({ id }) => id).sort(), [
        "i25",
        "i26",
        "i27",
        "i28",
        "i29",
      ]);
      assert.deepEqual(problems, []);
    } finally {
      await mesh.stop();
    }
  });
}

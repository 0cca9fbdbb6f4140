import assert from "node:assert/strict";
import {
  allPlacements,
  type PlacementName,
  scoreOf,
  smallConfiguration,
  startSmallMesh,
} from "./small_mesh.ts";
import { waitLearned } from "../../server/waits.ts";

const items = ["a", "b", "c", "d", "e"];

for (const placement of Object.keys(allPlacements) as PlacementName[]) {
  Deno.test(`one event makes its whole journey ${placement}`, async () => {
    const { mesh, client, problems } = await startSmallMesh(smallConfiguration(placement));
    try {
      const before = await client.rank("ann", items);
      assert.equal(before.items.length, 5);
      assert.equal(before.learnedThroughMs, 0);
      assert.ok(before.items.every(({ cold }) => cold), "nothing is learned yet");

      const [result] = await client.post([
        { eventId: "e1", rankingId: before.rankingId, item: "c", action: "click" },
      ]);
      assert.equal(result.status, "accepted");

      const after = await client.rankFresh("ann", items, result.acceptedAtMs);
      assert.ok(scoreOf(after, "c") > scoreOf(before, "c"), "the clicked item's score has risen");
      assert.equal(after.items[0].id, "c", "and it is ranked first");
      assert.deepEqual(after.items.filter(({ cold }) => !cold).map(({ id }) => id), ["c"]);
      assert.deepEqual(problems, []);
    } finally {
      await mesh.stop();
    }
  });

  Deno.test(`tastes are told apart ${placement}`, async () => {
    // No window closes on a busy machine: only events make examples.
    const yaml = smallConfiguration(placement).replace("window: 2s", "window: 1h");
    const { mesh, client, problems } = await startSmallMesh(yaml);
    try {
      // Cats click items that begin with c, dogs items that begin with d, and each dismisses the
      // other.
      let eventId = 0;
      let acceptedAtMs = 0;
      const shown = ["c1", "c2", "d1", "d2"];
      for (let round = 0; round < 40; round++) {
        for (const user of ["cat", "dog"]) {
          const { rankingId } = await client.rank(user, shown);
          const results = await client.post(shown.map((item) => ({
            eventId: `e${eventId++}`,
            rankingId,
            item,
            action: item[0] === user[0] ? "click" : "dismiss",
          })));
          for (const result of results) {
            assert.equal(result.status, "accepted");
            acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
          }
        }
      }
      const cat = await client.rankFresh("cat", shown, acceptedAtMs);
      const dog = await client.rankFresh("dog", shown, acceptedAtMs);
      assert.deepEqual(cat.items.map(({ id }) => id[0]), ["c", "c", "d", "d"]);
      assert.deepEqual(dog.items.map(({ id }) => id[0]), ["d", "d", "c", "c"]);

      await waitLearned(mesh);
      const trained = await mesh.trainers.status();
      assert.equal(trained.examples, eventId, "each event made one example, trained once");
      const joined = await mesh.joiners.status();
      assert.equal(joined.actionsUnmatched, 0);
      assert.match(
        await client.text("/metrics"),
        /cairn_trainer_examples_total\{trainer="0"\} 320\n/,
      );
      assert.deepEqual(problems, []);
    } finally {
      await mesh.stop();
    }
  });
}

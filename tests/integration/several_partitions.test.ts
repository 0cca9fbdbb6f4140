/**
 * Goal: with several partitions of the logs every event is learned once, whichever partition has
 * it, and freshness passes every event although most partitions are idle. Method: a real mesh on a
 * data directory, restarted with another number of trainers.
 */
import assert from "node:assert/strict";
import { waitLearned } from "../../server/waits.ts";
import {
  type Event,
  type PlacementName,
  placements,
  scoreOf,
  smallConfiguration,
  startSmallMesh,
} from "./small_mesh.ts";

const shown = ["c1", "c2", "d1", "d2"];

for (const placement of Object.keys(placements) as PlacementName[]) {
  Deno.test(`events of several partitions are learned once, over a change of trainer.count, ${placement}`, async () => {
    const path = Deno.makeTempDirSync();
    const yaml = (trainers: number) =>
      smallConfiguration(placement, `{ kind: directory, path: ${path} }`, trainers)
        .replace("trainer: {", "trainer: { partitions: 6,")
        .replace("joiner:\n", "joiner:\n  partitions: 3\n")
        .replace("window: 2s", "window: 1h"); // rankings without an action make no examples
    try {
      let trained = 0;
      const first: Event[] = [];
      for (const [run, trainers] of [1, 4, 2].entries()) {
        const { mesh, client, problems } = await startSmallMesh(yaml(trainers));
        try {
          const used = new Set<number>();
          for (let visit = 0; visit < 8; visit++) {
            const { rankingId } = await client.rank("cat", shown);
            const events = shown.map((item) => ({
              eventId: `${run}-${visit}-${item}`,
              rankingId,
              item,
              action: item[0] === "c" ? "click" : "dismiss",
            }));
            const results = await client.post(events);
            if (first.length === 0) first.push(events[0]);
            const accepted = Math.max(...results.map(({ acceptedAtMs }) => acceptedAtMs));
            // One partition has this event, and the others have had none for a while.
            await client.rankFresh("cat", shown, accepted);
          }
          await waitLearned(mesh);
          const ends = await Promise.all([0, 1, 2].map((i) => mesh.stores.eventLog.endOffset(i)));
          ends.forEach((end, partition) => end > 0 && used.add(partition));
          assert.equal(used.size, 3, `the rankings are spread: ${ends}`);
          const status = await mesh.trainers.status();
          assert.equal(status.examples, 8 * shown.length, "none of the run before comes again");
          assert.equal(status.offsets.length, 6);
          trained += status.examples;
          const counts = await mesh.joiners.status();
          assert.equal(counts.actionsMatched, 8 * shown.length);
          assert.equal(counts.actionsUnmatched + counts.actionsLate + counts.actionsDuplicate, 0);
          const ranking = await client.rank("cat", shown);
          assert.ok(scoreOf(ranking, "c1") > scoreOf(ranking, "d1"));
          const repeated = await client.post(first);
          assert.deepEqual(repeated.map(({ status }) => status), ["duplicate"]);
          assert.deepEqual(problems, []);
        } finally {
          await mesh.stop();
        }
      }
      assert.equal(trained, 3 * 8 * shown.length);
    } finally {
      Deno.removeSync(path, { recursive: true });
    }
  });
}

/**
 * Goal: shards move between the threads of a running server while users rank and act, and neither a
 * ranking nor an event fails or is lost.
 */
import assert from "node:assert/strict";
import type { EmbeddingShardMessage } from "../../actors/embedding_shard/protocol.ts";
import { addresses } from "../../server/plan.ts";
import { moveShard, plannedShard } from "../../server/shard_move.ts";
import { waitLearned } from "../../server/waits.ts";
import { smallConfiguration, startSmallMesh } from "./small_mesh.ts";

const shown = ["c1", "c2", "d1", "d2"];
const BUDGET = { budgetMs: 5_000 };

Deno.test("shards move between threads while users rank and act, and nothing fails or is lost", async () => {
  const path = Deno.makeTempDirSync();
  // No window closes: rankings without an action make no examples.
  const yaml = smallConfiguration("in worker threads", `{ kind: directory, path: ${path} }`, 2)
    .replace("window: 2s", "window: 1h");
  const small = await startSmallMesh(yaml);
  const { client, mesh } = small;
  let moving = true;
  let accepted = 0;
  let acceptedAtMs = 0;
  const visits = (async () => {
    for (let round = 0; moving || round < 50; round++) {
      const { rankingId } = await client.rank(`user-${round % 17}`, shown);
      const results = await client.post(shown.map((item) => ({
        eventId: `${round}-${item}`,
        rankingId,
        item,
        action: item[0] === "c" ? "click" : "dismiss",
      })));
      for (const result of results) {
        assert.equal(result.status, "accepted");
        acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
        accepted++;
      }
    }
  })();
  const frozen: number[] = [];
  try {
    for (let round = 0; round < 3; round++) {
      for (let shard = 0; shard < 4; shard++) {
        const from = mesh.mesh.nodeOf(addresses.embeddingShard(shard));
        const to = from === "shards-1" ? "shards-2" : "shards-1";
        const moved = await moveShard(mesh.mesh, plannedShard(mesh.configuration, shard, to));
        assert.equal(mesh.mesh.nodeOf(addresses.embeddingShard(shard)), to);
        frozen.push(moved.frozenMs);
      }
    }
    moving = false;
    await visits;
    await waitLearned(mesh, acceptedAtMs);
    const trainers = await Promise.all(
      mesh.trainers.all.map((trainer) => trainer.ask({ kind: "getStatus" }, BUDGET)),
    );
    const examples = trainers.reduce((sum, status) => sum + status.examples, 0);
    assert.equal(examples, accepted, "each accepted event was learned once");
    let rows = 0;
    for (let shard = 0; shard < 4; shard++) {
      const actor = mesh.mesh.actorRef<EmbeddingShardMessage>(addresses.embeddingShard(shard));
      rows += (await actor.ask({ kind: "getStatistics" }, BUDGET)).rows;
    }
    assert.equal(rows, 17 + shown.length, "every user and item has its row");
    const median = frozen.toSorted((a, b) => a - b)[Math.floor(frozen.length / 2)];
    assert.ok(median < 500, `shards were frozen for ${median} ms`);
    if (Deno.env.has("CAIRN_SHOW")) console.log({ frozen, accepted });
  } finally {
    moving = false;
    await visits.catch(() => {});
    await mesh.stop();
    Deno.removeSync(path, { recursive: true });
  }
});

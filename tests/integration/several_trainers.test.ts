import assert from "node:assert/strict";
import type { TrainerMessage } from "../../actors/trainer/protocol.ts";
import type { ActorRef } from "../../mesh/runtime/actor.ts";
import {
  type PlacementName,
  placements,
  smallConfiguration,
  type SmallMesh,
  startSmallMesh,
} from "./small_mesh.ts";
import { waitLearned } from "../../server/waits.ts";

const budgetMs = 5_000;
const shown = ["c1", "c2", "d1", "d2"];

/**
 * Cats click items that begin with c and dismiss the rest; returns how many examples that makes.
 */
async function visit({ client }: SmallMesh, run: number, rounds: number) {
  let acceptedAtMs = 0;
  for (let round = 0; round < rounds; round++) {
    const { rankingId } = await client.rank("cat", shown);
    const results = await client.post(shown.map((item) => ({
      eventId: `${run}-${round}-${item}`,
      rankingId,
      item,
      action: item[0] === "c" ? "click" : "dismiss",
    })));
    for (const result of results) {
      assert.equal(result.status, "accepted");
      acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
    }
  }
  return { acceptedAtMs, examples: rounds * shown.length };
}

async function denseWeights(trainer: ActorRef<TrainerMessage>) {
  return (await trainer.ask({ kind: "getDenseWeights" }, { budgetMs })).weights;
}

/** Resolves with the weights on which all trainers agree. */
async function agreedWeights({ mesh }: SmallMesh) {
  const deadlineMs = performance.now() + 60_000;
  while (performance.now() < deadlineMs) {
    const [first, ...others] = await Promise.all(mesh.trainers.all.map(denseWeights));
    const same = others.every(({ version, parameters }) =>
      version === first.version &&
      Object.entries(parameters).every(([name, { data }]) =>
        data.every((value, i) => value === first.parameters[name].data[i])
      )
    );
    if (same) return first;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail("the trainers never agreed on their dense weights");
}

for (const placement of Object.keys(placements) as PlacementName[]) {
  Deno.test(`three trainers learn one stream, agree on the dense model, and go on after a restart, ${placement}`, async () => {
    const path = Deno.makeTempDirSync();
    // No window closes: rankings without an action make no examples.
    const yaml = smallConfiguration(placement, `{ kind: directory, path: ${path} }`, 3)
      .replace("window: 2s", "window: 1h");
    try {
      let version = 0;
      for (let run = 0; run < 2; run++) {
        const small = await startSmallMesh(yaml);
        const { mesh, client, problems } = small;
        try {
          const { acceptedAtMs, examples } = await visit(small, run, 30);
          const ranking = await client.rankFresh("cat", shown, acceptedAtMs);
          assert.deepEqual(ranking.items.map(({ id }) => id[0]), ["c", "c", "d", "d"]);
          await waitLearned(mesh);

          const status = await mesh.trainers.status();
          assert.equal(status.examples, examples, "none of the run before is learned again");
          assert.ok(status.learnedThroughMs >= acceptedAtMs);
          const { trained } = await mesh.trainers.progressiveValidation();
          assert.equal(trained.clicked.examples, examples);
          const metrics = await client.text("/metrics");
          const counted = [...metrics.matchAll(/^cairn_trainer_examples_total\{.*\} (\d+)$/gm)];
          assert.equal(counted.length, 3, "each trainer counts its own");
          assert.equal(counted.reduce((sum, [, count]) => sum + Number(count), 0), examples);

          const weights = await agreedWeights(small);
          assert.ok(weights.version > version, "versions grow, over a restart too");
          version = weights.version;
          assert.deepEqual(problems, []);
        } finally {
          await mesh.stop();
        }
      }
    } finally {
      Deno.removeSync(path, { recursive: true });
    }
  });
}

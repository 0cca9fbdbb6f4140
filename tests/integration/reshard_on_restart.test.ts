import assert from "node:assert/strict";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { scoreOf, smallConfiguration, startSmallMesh } from "./small_mesh.ts";
import { waitLearned } from "../../server/waits.ts";

const shown = ["c1", "c2", "d1", "d2"];

Deno.test("a mesh started with another number of shards serves what the old ones had learned", () =>
  reshards([5], (yaml) => yaml));

Deno.test("so it does with DCN-v2 and rows of several widths and optimizers in each shard", () =>
  reshards([2, 4, 4], (yaml) =>
    yaml
      .replace("{ kind: deepFm, embeddingDim: 4,", "{ kind: dcnV2, embeddingDim: 4,")
      .replace("{ kind: id, source: user }", "{ kind: id, source: user, embeddingDim: 2 }")
      .replace(
        "  serving:",
        `  slots:
    tags: { slices: { embeddings: { optimizer: { kind: sgd, learningRate: 0.3 } } } }
  serving:`,
      )
      // It has no first-order weights.
      .replace(/ {4}first_order:\n.*\n/, "")));

async function reshards(
  expectedWidths: readonly number[],
  changed: (yaml: string) => string,
): Promise<void> {
  const directory = Deno.makeTempDirSync();
  const yaml = (shards: number) =>
    changed(smallConfiguration("in one thread", `{ kind: directory, path: ${directory}/data }`))
      .replace("shards: { count: 4 }", `shards: { count: ${shards} }`)
      // No window closes: items without an event would become negatives, however long this takes.
      .replace("window: 2s", "window: 1d");
  const { widths } = parseConfiguration(yaml(4), "c").servingReplica;
  assert.deepEqual(widths, expectedWidths);
  try {
    const first = await startSmallMesh(yaml(4));
    let acceptedAtMs = 0;
    // Enough for scores that the few events below do not bring near each other.
    for (let round = 0; round < 80; round++) {
      const { rankingId } = await first.client.rank("cat", shown);
      for (
        const result of await first.client.post(shown.map((item) => ({
          eventId: `${round}-${item}`,
          rankingId,
          item,
          action: item[0] === "c" ? "click" : "dismiss",
        })))
      ) acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
    }
    await first.client.rankFresh("cat", shown, acceptedAtMs);
    await waitLearned(first.mesh);
    await first.mesh.stop();

    for (const shards of [3, 1, 7]) {
      const next = await startSmallMesh(yaml(shards));
      const after = await next.client.rankFresh("cat", shown, acceptedAtMs);
      assert.deepEqual(after.items.map(({ id }) => id[0]), ["c", "c", "d", "d"]);
      assert.ok(after.items.every(({ cold }) => !cold), `with ${shards} shards all rows are there`);
      const status = await next.mesh.trainers.status();
      assert.equal(status.examples, 0, "nothing is learned again");

      const [result] = await next.client.post([{
        eventId: `again-${shards}`,
        rankingId: after.rankingId,
        item: "d1",
        action: "dismiss",
      }]);
      const learned = await next.client.rankFresh("cat", shown, result.acceptedAtMs);
      assert.ok(scoreOf(learned, "d1") < scoreOf(after, "d1"), "and it learns on");
      assert.deepEqual(next.problems, []);
      await next.mesh.stop();
    }
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

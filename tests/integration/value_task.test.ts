import assert from "node:assert/strict";
import { scoreOf, smallConfiguration, startSmallMesh } from "./small_mesh.ts";

Deno.test("a task of squared error ranks by how much: the score is the predicted value", async () => {
  const yaml = smallConfiguration("in one thread");
  const [before, after] = [yaml.indexOf("joiner:"), yaml.indexOf("trainer:")];
  const joiner = `joiner:
  window: 2s
  tasks: { minutes: [{ action: watch, label: value, valueMax: 60, final: true }] }
`;
  const { mesh, client, problems } = await startSmallMesh(
    (yaml.slice(0, before) + joiner + yaml.slice(after))
      .replace("tasks: [clicked]", "tasks: [minutes], taskLosses: { minutes: squaredError }"),
  );
  try {
    const minutes: Record<string, number> = { short: 2, long: 9 };
    let acceptedAtMs = 0;
    for (let round = 0; round < 60; round++) {
      const { rankingId } = await client.rank("ann", Object.keys(minutes));
      const events = Object.entries(minutes).map(([item, value]) => ({
        eventId: `${round}-${item}`,
        rankingId,
        item,
        action: "watch",
        value,
      }));
      for (const result of await client.post(events)) acceptedAtMs = result.acceptedAtMs;
    }
    const ranking = await client.rankFresh("ann", Object.keys(minutes), acceptedAtMs);
    assert.deepEqual(ranking.items.map(({ id }) => id), ["long", "short"]);
    assert.ok(Math.abs(scoreOf(ranking, "long") - 9) < 1.5, `long: ${scoreOf(ranking, "long")}`);
    assert.ok(Math.abs(scoreOf(ranking, "short") - 2) < 1.5, `short: ${scoreOf(ranking, "short")}`);
    assert.deepEqual(problems, []);
  } finally {
    await mesh.stop();
  }
});

import assert from "node:assert/strict";
import { smallConfiguration, startSmallMesh } from "./small_mesh.ts";

interface Item {
  readonly id: string;
  readonly score: number;
  readonly predictions: Readonly<Record<string, number>>;
  readonly explanation: readonly { readonly slot: string; readonly contribution: number }[];
}

/** Both are clicked alike; the long one is watched longer. */
const MINUTES: Readonly<Record<string, number>> = { short: 1, long: 5 };

function configuration(weights: string): string {
  const yaml = smallConfiguration("in one thread");
  const joiner = `joiner:
  window: 2s
  tasks:
    clicked: [{ action: click, label: positive }]
    minutes: [{ action: watch, label: value, valueMax: 60, final: true }]
ranker: { scoreWeights: ${weights} }
`;
  return (yaml.slice(0, yaml.indexOf("joiner:")) + joiner + yaml.slice(yaml.indexOf("trainer:")))
    .replace(/ {4}first_order:\n.*\n/, "")
    .replace(
      /^model: .*$/m,
      "model: { kind: mmoe, embeddingDim: 4, experts: 2, expertHidden: [8], " +
        "towerHidden: [4], tasks: [clicked, minutes], taskLosses: { minutes: squaredError }, " +
        "optimizer: { kind: adam, learningRate: 0.02 } }",
    );
}

for (
  const [weights, order, of] of [
    ["{ clicked: 1, minutes: 0.5 }", ["long", "short"], [1, 0.5]],
    ["{ minutes: -1 }", ["short", "long"], [0, -1]],
  ] as const
) {
  Deno.test(`items are ordered by all tasks' predictions, weighted by ${weights}, and the answer shows each`, async () => {
    const { mesh, client, problems } = await startSmallMesh(configuration(weights));
    try {
      let acceptedAtMs = 0;
      for (let round = 0; round < 150; round++) {
        const { rankingId } = await client.rank("ann", Object.keys(MINUTES));
        const events = Object.entries(MINUTES).flatMap(([item, value]) => [
          { eventId: `${round}-${item}-click`, rankingId, item, action: "click" },
          { eventId: `${round}-${item}-watch`, rankingId, item, action: "watch", value },
        ]);
        for (const result of await client.post(events)) {
          assert.equal(result.status, "accepted");
          acceptedAtMs = result.acceptedAtMs;
        }
      }
      await client.rankFresh("ann", Object.keys(MINUTES), acceptedAtMs);
      const response = await client.send(
        new Request("http://cairn/v1/rank", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({
            user: "ann",
            candidates: Object.keys(MINUTES).map((id) => ({ id })),
            explain: true,
          }),
        }),
      );
      const { items }: { items: readonly Item[] } = await response.json();
      assert.deepEqual(items.map(({ id }) => id), order, JSON.stringify(items));
      for (const { score, predictions, explanation } of items) {
        assert.deepEqual(Object.keys(predictions), ["clicked", "minutes"]);
        const sum = of[0] * predictions.clicked + of[1] * predictions.minutes;
        assert.ok(Math.abs(score - sum) < 1e-5, `${score} for ${sum}`);
        assert.ok(explanation.length === 3 && explanation[0].contribution !== 0);
      }
      assert.deepEqual(problems, []);
    } finally {
      await mesh.stop();
    }
  });
}

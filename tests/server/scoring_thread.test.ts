import assert from "node:assert/strict";
import { type CairnConfiguration, parseConfiguration } from "../../configuration/configuration.ts";
import { withScoringThread } from "../../server/scoring_thread.ts";
import { addresses } from "../../server/addresses.ts";
import { nodesOf } from "../../server/layout.ts";
import { planOf } from "../../server/plan.ts";

const scoringActors = ["scorer", "serving_replica", "retriever"];

function parse(placement: string, rest = ""): CairnConfiguration {
  return parseConfiguration(
    `
features: { slots: { user: { kind: id, source: user }, item: { kind: id, source: item } } }
attributes: { item: { price: number } }
recommend: { enabled: true }
model: { kind: factorizationMachine, embeddingDim: 4, tasks: [clicked] }
joiner: { tasks: { clicked: [{ action: click, label: positive }] } }
shards: { count: 2 }
placement: ${placement}
${rest}
`,
    "cairn.yaml",
  );
}

/** Nodes of the actors that make scores. */
function scoringNodes(configuration: CairnConfiguration): string[] {
  const actors = planOf(configuration).filter(({ kind }) => scoringActors.includes(kind));
  assert.equal(actors.length, 4, "a scorer, a retriever and two replicas");
  return [...new Set(actors.map(({ node }) => node))];
}

function hasServingThread(configuration: CairnConfiguration): boolean {
  return nodesOf(configuration).some(({ name }) => name === "serving");
}

Deno.test("on two cores scores are made in the main thread", () => {
  for (const cores of [1, 2]) {
    const placed = withScoringThread(parse("{ kind: workers }"), cores);
    assert.deepEqual(scoringNodes(placed), ["main"]);
    assert.ok(!hasServingThread(placed));
  }
});

Deno.test("on more cores scores have a thread of their own", () => {
  const placed = withScoringThread(parse("{ kind: workers }"), 3);
  assert.deepEqual(scoringNodes(placed), ["serving"]);
  assert.ok(hasServingThread(placed));
});

Deno.test("the configured thread counts on any machine", () => {
  for (const cores of [1, 64]) {
    const main = withScoringThread(parse("{ kind: workers, scoringThread: main }"), cores);
    const own = withScoringThread(parse("{ kind: workers, scoringThread: own }"), cores);
    assert.deepEqual([scoringNodes(main), scoringNodes(own)], [["main"], ["serving"]]);
    const single = parse("{ kind: singleThread }");
    assert.equal(withScoringThread(single, cores), single);
  }
});

Deno.test("shards and trainers stay in worker threads where scores are in the main thread", () => {
  const placed = withScoringThread(parse("{ kind: workers, scoringThread: main }"), 2);
  const nodes = new Map(planOf(placed).map(({ kind, key, node }) => [`${kind}/${key}`, node]));
  assert.equal(nodes.get(addresses.trainer(0)), "trainer-0");
  assert.equal(nodes.get(addresses.embeddingShard(1, 0)), "shards-1");
});

Deno.test("the hosts of a mesh share one plan whatever cores they have", () => {
  const mesh = `
storage: { kind: directory, path: data }
mesh:
  id: shop
  secret: a-secret-of-the-mesh
  hosts:
    edge: { address: "10.0.0.1:7400", roles: [serving, joiner, trainer, shards] }
`;
  const configuration = parse("{ kind: workers }", mesh);
  const plans = [1, 2, 64].map((cores) => planOf(withScoringThread(configuration, cores)));
  assert.deepEqual(plans[0], plans[2]);
  assert.deepEqual(plans[1], plans[2]);
  assert.deepEqual(scoringNodes(withScoringThread(configuration, 2)), ["edge:serving"]);
});

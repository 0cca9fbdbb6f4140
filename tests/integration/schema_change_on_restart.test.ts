/**
 * A mesh that starts from its own data directory after features, layers or tasks were changed.
 */
import assert from "node:assert/strict";
import { scoreOf, smallConfiguration, type SmallMesh, startSmallMesh } from "./small_mesh.ts";
import { waitLearned } from "../../server/waits.ts";

const shown = ["c1", "c2", "d1", "d2"];
const TAGS = "    tags: { kind: list, source: item, pooling: mean }\n";

/** The change, the tensor that the trainer's warning names, and the shards' warning. */
const changes: readonly [string, (yaml: string) => string, string, RegExp?][] = [
  [
    "one slot more",
    (yaml) => yaml.replace(TAGS, `${TAGS}    genre: { kind: categorical, source: item }\n`),
    "w0 [12,8] -> [16,8] (slot genre new)",
  ],
  [
    "one slot less",
    (yaml) => yaml.replace(TAGS, ""),
    "w0 [12,8] -> [8,8] (slot tags removed)",
    /slotsRemoved.*tags \(slot: \d+\)/,
  ],
  [
    "slots in another order",
    (yaml) => yaml.replace(TAGS, "").replace("  slots:\n", `  slots:\n${TAGS}`),
    "w0 [12,8] -> [12,8] (another order)",
  ],
  [
    "a hidden layer more",
    (yaml) => yaml.replace("hidden: [8]", "hidden: [8, 4]"),
    "w2 none -> [4,1]",
  ],
  [
    "wider embeddings",
    (yaml) => yaml.replace("embeddingDim: 4", "embeddingDim: 8"),
    "w0 [12,8] -> [24,8] (slot user resized, slot item resized, slot tags resized)",
  ],
  [
    "a task more",
    (yaml) =>
      yaml.replace("tasks: [clicked]", "tasks: [clicked, liked]").replace(
        "trainer: {",
        "    liked: [{ action: like, label: positive, final: true }]\ntrainer: {",
      ),
    "w1 [8,1] -> [8,2] (task liked new)",
  ],
  [
    "another kind of model",
    (yaml) => yaml.replace("kind: deepFm", "kind: dcnV2").replace(/ {4}first_order:\n.*\n/, ""),
    "-> none",
  ],
];

/** Clicks on c1 and c2, dismisses d1 and d2; resolves when all of it is in the scores. */
async function learn({ mesh, client }: SmallMesh, name: string, rounds: number) {
  let acceptedAtMs = 0;
  for (let round = 0; round < rounds; round++) {
    const { rankingId } = await client.rank("cat", shown);
    const results = await client.post(shown.map((item) => ({
      eventId: `${name}-${round}-${item}`,
      rankingId,
      item,
      action: item[0] === "c" ? "click" : "dismiss",
    })));
    for (const result of results) acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
  }
  const ranking = await client.rankFresh("cat", shown, acceptedAtMs);
  await waitLearned(mesh);
  return ranking;
}

for (const [name, changed, tensor, shardWarning] of changes) {
  Deno.test(`a mesh started with ${name} keeps its rows and its log position, reports the differences, and learns on`, async () => {
    const directory = Deno.makeTempDirSync();
    const storage = `{ kind: directory, path: ${directory}/data }`;
    const yaml = smallConfiguration("in one thread", storage);
    assert.notEqual(changed(yaml), yaml);
    try {
      const first = await startSmallMesh(yaml);
      const { modelVersion } = await learn(first, "before", 10);
      await first.mesh.stop();

      const next = await startSmallMesh(changed(yaml));
      const warning = next.problems.find((problem) =>
        problem.startsWith("warn: The dense model of trainer/0 differs from its snapshot")
      );
      assert.ok(warning?.includes(tensor), JSON.stringify(next.problems));
      if (shardWarning !== undefined) {
        const rows = next.problems.filter((problem) => problem.includes("into another schema"));
        assert.ok(rows.some((problem) => shardWarning.test(problem)), JSON.stringify(rows));
      }
      const before = await next.client.rank("cat", shown);
      assert.ok(before.modelVersion >= modelVersion, "and counts on");
      assert.ok(before.items.every(({ cold }) => !cold), "all rows are there");
      assert.equal((await next.mesh.trainers.status()).examples, 0, "nothing is learned again");
      const after = await learn(next, "after", 40);
      assert.ok(scoreOf(after, "d1") < scoreOf(after, "c1"), "and it learns on");
      assert.ok(next.problems.every((problem) => problem.startsWith("warn: ")));
      await next.mesh.stop();

      // The snapshot of the changed model is one like any other.
      const third = await startSmallMesh(changed(yaml));
      assert.deepEqual(third.problems, []);
      assert.deepEqual((await third.client.rank("cat", shown)).items[0].id[0], "c");
      await third.mesh.stop();
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

const PRICE = "    price: { kind: numeric, source: item, dense: { kind: log } }\n";
const STOCK = "    stock: { kind: numeric, source: item, dense: { kind: log } }\n";

/** The change, and whether rankings that are open at the restart become examples. */
const restarts: readonly [string, (yaml: string) => string, boolean][] = [
  ["unchanged features", (yaml) => yaml, true],
  [
    "one task more",
    (yaml) =>
      yaml.replace("tasks: [clicked]", "tasks: [clicked, liked]").replace(
        "trainer: {",
        "    liked: [{ action: like, label: positive, final: true }]\ntrainer: {",
      ),
    true,
  ],
  ["two dense values swapped", (yaml) => yaml.replace(PRICE + STOCK, STOCK + PRICE), false],
  [
    "two slots swapped",
    (yaml) => yaml.replace(TAGS, "").replace("  slots:\n", `  slots:\n${TAGS}`),
    false,
  ],
];

for (const [name, changed, isLearned] of restarts) {
  const outcome = isLearned ? "learns" : "puts aside";
  Deno.test(`a mesh started with ${name} ${outcome} the rankings that were open before`, async () => {
    const directory = Deno.makeTempDirSync();
    const storage = `{ kind: directory, path: ${directory}/data }`;
    const yaml = smallConfiguration("in one thread", storage)
      .replace(TAGS, TAGS + PRICE + STOCK)
      .replace("window: 2s", "window: 1h");
    try {
      const first = await startSmallMesh(yaml);
      const { rankingId } = await first.client.rank("cat", shown);
      await first.mesh.stop();

      const next = await startSmallMesh(changed(yaml));
      const [clicked] = await next.client.post([
        { eventId: "e", rankingId, item: "c1", action: "click" },
      ]);
      assert.equal(clicked.status, "accepted");
      await next.client.rankFresh("cat", shown, clicked.acceptedAtMs);
      await waitLearned(next.mesh);
      assert.equal((await next.mesh.trainers.status()).examples, isLearned ? 1 : 0);
      const told = next.problems.filter((each) => each.includes("rankings of another schema"));
      assert.equal(told.length, isLearned ? 0 : 1, JSON.stringify(next.problems));
      await next.mesh.stop();
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });
}

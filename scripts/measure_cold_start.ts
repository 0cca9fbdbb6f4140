/**
 * Measures how new items are ranked at first: AUC over their first hundred impressions, where an
 * item begins with a random row, or with the mean of its attributes' rows.
 *
 *     deno run -A scripts/measure_cold_start.ts movietweetings|movielens <folder> [seeds: 1,2,3]
 *
 * One pass, progressive: each batch is scored before the model trains on it. An item is new if it
 * has no rating in the first 20 %. Prints a table, the mean of the seeds ± half their range.
 */
import { parseDocument } from "yaml";
import { parseConfiguration } from "../configuration/configuration.ts";
import { exactAuc, logloss } from "../offline/evaluation/auc.ts";
import { firstImpressions } from "../offline/evaluation/first_impressions.ts";
import { TaskScores } from "../offline/evaluation/task_scores.ts";
import { datasetExtractor, readExamples } from "../offline/datasets/examples.ts";
import { openDataset } from "../offline/datasets/open_dataset.ts";
import { FirstRows } from "../offline/training/first_rows.ts";
import { TrainingPass } from "../offline/training/training_pass.ts";

const EXAMPLE = new URL("../examples/movies.yaml", import.meta.url);
const WARM_UP_SHARE = 0.2;
/** Impressions of a new item that are counted, for each column of the table. */
const IMPRESSIONS = [1, 10, 100];
/** Least rating that counts as liked. */
const likedFrom = { movietweetings: 8, movielens: 4 } as const;
/** Slices of new items that begin from attributes. */
const beginnings: Readonly<Record<string, readonly string[]>> = {
  "random rows": [],
  "embeddings from attributes": ["embeddings"],
  "embeddings and first-order weight from attributes": ["embeddings", "first_order"],
};

const [kind, path, seeds = "1,2,3"] = Deno.args;
if (kind !== "movietweetings" && kind !== "movielens" || path === undefined) {
  console.error(
    "Name the data set and its folder: deno run -A scripts/measure_cold_start.ts movielens <folder>",
  );
  Deno.exit(2);
}
const text = await Deno.readTextFile(EXAMPLE);

/** The example's configuration with a seed, for the ratings of the data set. */
function configurationOf(seed: number) {
  const document = parseDocument(text);
  document.setIn(["model", "seed"], seed);
  document.setIn(["embeddings", "seed"], seed);
  const rules = ["joiner", "tasks", "liked"];
  document.setIn([...rules, 0, "valueAtLeast"], likedFrom[kind as keyof typeof likedFrom]);
  document.setIn([...rules, 1, "valueBelow"], likedFrom[kind as keyof typeof likedFrom]);
  return parseConfiguration(String(document), EXAMPLE.pathname);
}

const { features: { schema }, joiner: { tasks }, trainer: { batchRows } } = configurationOf(1);
const dataset = await openDataset({ kind, path });
const examples = await readExamples(dataset, {
  extractor: datasetExtractor(schema, dataset),
  tasks,
});
const itemColumn = schema.slots.findIndex(({ name }) => name === "item");
const { ids, listOffsets } = examples.features;
const items = BigUint64Array.from(
  { length: examples.rows },
  (_, row) => ids[listOffsets[row * schema.slots.length + itemColumn]],
);
const warmUp = Math.floor(examples.rows * WARM_UP_SHARE);
const chosen = IMPRESSIONS.map((most) => firstImpressions(items, warmUp, most));

/** AUC of the first impressions of each column, their logloss of the last, and the AUC of all. */
async function measure(seed: number, slices: readonly string[]): Promise<number[]> {
  const configuration = configurationOf(seed);
  await using pass = await TrainingPass.create(configuration);
  if (slices.length > 0) pass.begin(new FirstRows(configuration, slices));
  const scores = new TaskScores(pass.tasks);
  for (const batch of examples.batches(batchRows)) {
    scores.add(batch, (await pass.train(batch)).scores);
  }
  const [all, labels] = scores.of(0);
  const of = (rows: readonly number[], values: ArrayLike<number>) => rows.map((row) => values[row]);
  const last = chosen[chosen.length - 1];
  return [
    ...chosen.map((rows) => exactAuc(of(rows, all), of(rows, labels))),
    logloss(Float64Array.from(of(last, all)), Float64Array.from(of(last, labels))),
    exactAuc(all.subarray(warmUp), labels.subarray(warmUp)),
  ];
}

console.log(`${kind}: ${chosen.map((rows) => rows.length).join(", ")} impressions`);
for (const [name, slices] of Object.entries(beginnings)) {
  const runs: number[][] = [];
  for (const seed of seeds.split(",").map(Number)) runs.push(await measure(seed, slices));
  const cells = runs[0].map((_, column) => {
    const values = runs.map((run) => run[column]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const half = (Math.max(...values) - Math.min(...values)) / 2;
    return `${mean.toFixed(4)} ±${half.toFixed(4)}`;
  });
  console.log(`| ${[name, ...cells].join(" | ")} |`);
}

import assert from "node:assert/strict";
import { writeSmallDataset } from "./small_dataset.ts";
import { runCaptured } from "./captured_command.ts";

const train = (...args: string[]) => runCaptured("train", "--dataset=movietweetings", ...args);

Deno.test("training tells quality on what was held back, beside a linear rival", async () => {
  const dataset = await writeSmallDataset(3000);
  try {
    const { code, out, err } = await train(
      `--path=${dataset.folder}`,
      "--compare=logistic_regression",
      "--epochs=4",
      "--json",
    );
    assert.equal(code, 0, err);
    const { models } = JSON.parse(out);
    assert.deepEqual(models.map(({ model }: { model: string }) => model), [
      "deepFm",
      "logisticRegression",
    ]);
    const [deep, linear] = models;
    assert.equal(deep.examples, 2400);
    assert.equal(deep.evaluationExamples, 600);
    assert.equal(deep.epochs, 4);
    // Who likes what is a product of two features: a sum of weights cannot tell.
    assert.ok(deep.auc > 0.75, `deepFm ${deep.auc}`);
    assert.ok(linear.auc < deep.auc, `linear ${linear.auc}, deepFm ${deep.auc}`);
    assert.ok(deep.logloss < linear.logloss);
  } finally {
    await dataset.remove();
  }
});

Deno.test("with a validation file, and nothing else said, training goes on until that gets no better", async () => {
  const [dataset, other] = await Promise.all([writeSmallDataset(1200), writeSmallDataset(400)]);
  try {
    const { code, out, err } = await train(
      `--path=${dataset.folder}`,
      `--eval=${other.folder}`,
      `--valid=${other.folder}`,
      "--json",
    );
    assert.equal(code, 0, err);
    const [{ epochs, bestEpoch, validationAuc, evaluationExamples, auc }] = JSON.parse(out).models;
    assert.ok(epochs > 5 && epochs < 100, `${epochs} epochs`);
    // Two epochs at full rate, and two at a tenth of it, that were no better.
    assert.equal(epochs, bestEpoch + 4);
    assert.equal(evaluationExamples, 400);
    assert.equal(auc, validationAuc[bestEpoch - 1], "the figures are not the best epoch's");
    assert.equal(auc, Math.max(...validationAuc));
  } finally {
    await Promise.all([dataset.remove(), other.remove()]);
  }
});

Deno.test("for people, the result is a table and a sentence", async () => {
  const dataset = await writeSmallDataset(600);
  try {
    const report = `${dataset.folder}/report.html`;
    const { code, out, err } = await train(
      `--path=${dataset.folder}`,
      "--compare=logistic_regression",
      `--report=${report}`,
    );
    assert.equal(code, 0, err);
    assert.match(out, /^deepFm +0\.\d{4}/m);
    assert.match(out, /deepFm is 0\.\d{4} AUC (above|below) logisticRegression\./);
    assert.match(await Deno.readTextFile(report), /<svg[^]*logisticRegression/);
  } finally {
    await dataset.remove();
  }
});

Deno.test("examples of one label only are refused before anything is trained, with what to look at", async () => {
  const dataset = await writeSmallDataset(200);
  try {
    const { code, out, err } = await train(`--path=${dataset.folder}`, "--label-at-least=1000");
    assert.equal(code, 2);
    assert.equal(out, "");
    assert.match(err, /all 160 examples are negative, and it takes both; .*--label-at-least/);
  } finally {
    await dataset.remove();
  }
});

Deno.test("a rival that does not exist is refused before anything is read or trained", async () => {
  const { code, err } = await train("--path=/nowhere", "--compare=oracle");
  assert.notEqual(code, 0);
  assert.match(err, /model\.kind: found "oracle"/);
});

Deno.test("each task of a model is measured by its own figures: a label by AUC, a value by its error", async () => {
  const dataset = await writeSmallDataset(1500);
  try {
    const tasks = [
      "--set=model.tasks=[liked, stars]",
      "--set=model.taskLosses={ stars: squaredError }",
      "--set=joiner.tasks.stars=[{ action: rating, label: value, final: true }]",
      "--epochs=3",
    ];
    const { code, out, err } = await train(`--path=${dataset.folder}`, ...tasks, "--json");
    assert.equal(code, 0, err);
    const [{ auc, progressiveAuc, tasks: each }] = JSON.parse(out).models;
    assert.deepEqual(Object.keys(each), ["liked", "stars"]);
    assert.equal(each.liked.auc, auc);
    assert.equal(each.liked.progressiveAuc, progressiveAuc);
    // Ratings are 9 or 4: to say their mean each time would be wrong by 6.25.
    assert.ok(each.stars.meanSquaredError < 6.25, `${each.stars.meanSquaredError}`);
    assert.equal(each.stars.auc, undefined);
    const table = await train(`--path=${dataset.folder}`, ...tasks);
    assert.match(table.out, /^deepFm liked +0\.\d{4}/m);
    assert.match(table.out, /^deepFm stars .*squared error/m);
  } finally {
    await dataset.remove();
  }
});

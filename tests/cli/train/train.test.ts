import assert from "node:assert/strict";
import { bundledFile } from "../../../cli/options.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { startMesh } from "../../../server/machine/start_mesh.ts";
import { DirectoryBlobStore } from "../../../mesh/adapters/embedded/directory_blob_store.ts";
import { deviceAvailable } from "../../kernels/dense/sessions/device_available.ts";
import { Client, waitLoaded } from "../../integration/small_mesh.ts";
import { writeSmallDataset } from "../small_dataset.ts";
import { runCaptured } from "../captured_command.ts";
import { TrainingPass } from "../../../offline/training/training_pass.ts";
import { waitReady } from "../../../server/waits.ts";

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
    // The taste of a user is a product of two features: a sum of weights cannot tell.
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
    const page = await Deno.readTextFile(report);
    assert.match(page, /<svg[^]*logisticRegression/);
    // The same conclusion, and a row for each model and way of scoring.
    assert.ok(page.includes(`<li>${out.trimEnd().split("\n").at(-1)}</li>`), page);
    assert.equal(page.match(/<tr><td>(deepFm|logisticRegression), liked</g)?.length, 4);
    // A share of positives between 0 and 1, and no figure that is not a number.
    assert.match(page, /<td>evaluation<\/td><td>120<\/td><td>0\.\d{4}<\/td>/);
    assert.doesNotMatch(page, /NaN/);
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

Deno.test("a table of purchases says how its action is named, then how it gets negatives", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const rows = Array.from({ length: 20 }, (_, i) => `u${i % 4},p${i % 3},${1700000000 + i}`);
    await Deno.writeTextFile(`${folder}/orders.csv`, ["user,item,time", ...rows].join("\n"));
    const trainOn = (...more: string[]) =>
      runCaptured(
        "train",
        "--dataset=csv",
        `--path=${folder}/orders.csv`,
        `--config=${bundledFile("examples/shop.yaml")}`,
        ...more,
      );
    const unnamed = await trainOn();
    assert.match(
      unnamed.err,
      /rules \(joiner\.tasks\) read purchase, .* is rating: --action names/,
    );
    const named = await trainOn(
      "--action=purchase",
      "--set=joiner.tasks={purchase: [{action: purchase, label: positive}]}",
    );
    assert.match(named.err, /all 16 examples are positive.*cairn import draws negatives/);
  } finally {
    await Deno.remove(folder, { recursive: true });
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

/** The blobs of the only snapshot in a data directory, by name without the snapshot's own. */
async function snapshotIn(folder: string): Promise<Record<string, Uint8Array>> {
  const blobs = new DirectoryBlobStore(`${folder}/blobs`);
  const manifests = await readManifests(blobs);
  assert.equal(manifests.length, 1);
  const names = (await blobs.list("")).filter((name) => !name.endsWith("manifest.json"));
  assert.ok(names.every((name) => name.startsWith(`${manifests[0].name}/`)), names.join());
  const entries = names.map(async (name) =>
    [name.slice(manifests[0].name.length), (await blobs.get(name))!] as const
  );
  return Object.fromEntries(await Promise.all(entries));
}

Deno.test("what is saved is the best epoch, to the bit, and a server begins from it", async () => {
  const [dataset, other] = await Promise.all([writeSmallDataset(1200), writeSmallDataset(400)]);
  try {
    const save = async (name: string, ...args: string[]) => {
      const folder = `${dataset.folder}/${name}`;
      const { code, out, err } = await train(
        `--path=${dataset.folder}`,
        `--valid=${other.folder}`,
        `--eval=${other.folder}`,
        `--save=${folder}`,
        "--set=shards.count=3",
        "--set=trainer.count=2",
        "--json",
        ...args,
      );
      assert.equal(code, 0, err);
      assert.match(err, new RegExp(`serve --config ${folder}/cairn.yaml`));
      return { folder, ...JSON.parse(out).models[0] };
    };
    const stopped = await save("stopped");
    assert.ok(stopped.epochs > stopped.bestEpoch);
    const ended = await save("ended", `--epochs=${stopped.bestEpoch}`);
    assert.equal(ended.auc, stopped.auc);
    assert.deepEqual(await snapshotIn(stopped.folder), await snapshotIn(ended.folder));

    const again = await train(`--path=${dataset.folder}`, `--save=${stopped.folder}`);
    assert.equal(again.code, 2);
    assert.match(again.err, /Cannot save the model to .*: it holds .*empty folder/);

    const config = `${stopped.folder}/cairn.yaml`;
    const file = `${dataset.folder}/model.onnx`;
    const exported = await runCaptured(
      ...["model", "export", file, "--config", config, "--from", stopped.folder],
    );
    assert.equal(exported.code, 0, exported.err);
    const steps = stopped.bestEpoch * Math.ceil(1200 / 32);
    assert.match(exported.out, new RegExp(`weights after ${steps} training steps`));

    const mesh = await startMesh(await loadConfiguration(config));
    try {
      await waitReady(mesh);
      await waitLoaded(new Client(mesh.fetch));
      const request = new Request("http://localhost/v1/rank", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          user: "2",
          candidates: [
            { id: "1", fields: { year: "1991", genres: ["Drama", "Crime"] } },
            { id: "2", fields: { year: "1992", genres: ["Comedy"] } },
          ],
        }),
      });
      const { modelVersion, items } = await (await mesh.fetch(request)).json();
      assert.equal(modelVersion, steps);
      // People of even numbers like films of even numbers.
      assert.deepEqual(items.map(({ id }: { id: string }) => id), ["2", "1"]);
      assert.ok(items[0].score > 0.6 && items[1].score < 0.4, JSON.stringify(items));
      assert.ok(items.every(({ cold }: { cold: boolean }) => !cold));
    } finally {
      await mesh.stop();
    }
  } finally {
    await Promise.all([dataset.remove(), other.remove()]);
  }
});

Deno.test("a model that is kept learns from all rows, and its folder has the profiles", async () => {
  const dataset = await writeSmallDataset(400);
  try {
    const folder = `${dataset.folder}/saved`;
    const saved = await train(`--path=${dataset.folder}`, `--save=${folder}`, "--json");
    assert.equal(saved.code, 0, saved.err);
    assert.equal(JSON.parse(saved.out).models[0].examples, 400);
    assert.match(
      saved.err,
      /movies\.yaml: liked is positive for rating of 8 or more, negative for rating below 8/,
    );
    const mesh = await startMesh(await loadConfiguration(`${folder}/cairn.yaml`));
    try {
      const response = await mesh.fetch(new Request("http://localhost/v1/items/3"));
      const { attributes } = await response.json();
      assert.deepEqual(attributes.genres, ["Drama", "Crime"]);
    } finally {
      await mesh.stop();
    }
    const evaluated = await train(`--path=${dataset.folder}`, "--json");
    assert.equal(JSON.parse(evaluated.out).models[0].examples, 320);
  } finally {
    await dataset.remove();
  }
});

Deno.test("a report that cannot be written is refused before anything is trained", async () => {
  const dataset = await writeSmallDataset(40);
  try {
    const { code, err } = await train(
      `--path=${dataset.folder}`,
      `--report=${dataset.folder}/missing/r.html`,
    );
    assert.equal(code, 2);
    assert.match(err, /Cannot write the report to .*make its folder first/);
    assert.doesNotMatch(err, /reading/);
  } finally {
    await dataset.remove();
  }
});

Deno.test("training that fails leaves nothing in the folder that it was to be saved in, so that another try can", async () => {
  const dataset = await writeSmallDataset(400);
  try {
    const parameters = [`--path=${dataset.folder}`, `--save=${dataset.folder}/model`];
    const rate = "--set=model.optimizer={ kind: sgd, learningRate: 100 }";
    const failed = await train(...parameters, rate, "--set=trainer.explosionFactor=2");
    assert.equal(failed.code, 1);
    assert.match(failed.err, /Training diverged/);
    assert.doesNotMatch(failed.err, /The model is in/);
    await assert.rejects(Deno.stat(`${dataset.folder}/model`), Deno.errors.NotFound);
    const again = await train(...parameters);
    assert.equal(again.code, 0, again.err);
    assert.match(again.err, /The model is in .*model\. .*serve --config .*model\/cairn\.yaml/);
  } finally {
    await dataset.remove();
  }
});

Deno.test("the model is let go of before its rival is made: there is never room needed for both", async () => {
  const dataset = await writeSmallDataset(200);
  const { create } = TrainingPass;
  const told: string[] = [];
  TrainingPass.create = async (configuration) => {
    const pass = await create.call(TrainingPass, configuration);
    const end = pass[Symbol.asyncDispose].bind(pass);
    const { kind } = configuration.model;
    told.push(`${kind} begins`);
    pass[Symbol.asyncDispose] = async () => {
      await end();
      told.push(`${kind} ends`);
    };
    return pass;
  };
  try {
    const { code, err } = await train(`--path=${dataset.folder}`, "--compare=logisticRegression");
    assert.equal(code, 0, err);
    assert.deepEqual(told, [
      "deepFm begins",
      "deepFm ends",
      "logisticRegression begins",
      "logisticRegression ends",
    ]);
  } finally {
    TrainingPass.create = create;
    await dataset.remove();
  }
});

Deno.test({
  name: "a device that is not there is said before a file is read",
  ignore: await deviceAvailable("cuda"),
  fn: async () => {
    const dataset = await writeSmallDataset(20);
    try {
      await Deno.writeTextFile(`${dataset.folder}/ratings.dat`, "this cannot be read\n");
      const { code, err } = await train(`--path=${dataset.folder}`, "--set=trainer.provider=cuda");
      assert.equal(code, 1);
      assert.match(err, /Cannot run the dense model on "cuda"/);
    } finally {
      await dataset.remove();
    }
  },
});

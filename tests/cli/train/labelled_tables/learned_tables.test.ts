/**
 * Training on a table of labelled examples without a configuration: epochs, orders, the best epoch.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { small, smallDeep, table, train, withFiles } from "./small_tables.ts";

Deno.test("DeepFM finds the interaction of two categories that logistic regression cannot", async () => {
  await withFiles({
    "train.csv": table(4000, 1),
    "valid.csv": table(800, 2),
    "test.csv": table(1500, 3),
  }, async (folder) => {
    const best = async (...args: string[]) => {
      const { code, out, err } = await train(
        `--path=${folder}/train.csv`,
        `--valid=${folder}/valid.csv`,
        `--eval=${folder}/test.csv`,
        "--epochs=40",
        "--patience=3",
        ...args,
      );
      assert.equal(code, 0, err);
      const [result] = JSON.parse(out).models;
      const { epochs, bestEpoch, validationAuc } = result;
      assert.equal(validationAuc.length, epochs);
      assert.equal(validationAuc[bestEpoch - 1], Math.max(...validationAuc));
      assert.ok(epochs < 40 && epochs === bestEpoch + 6, `${epochs} epochs, best ${bestEpoch}`);
      return result;
    };
    const deep = await best(...smallDeep);
    assert.equal(deep.examples, 4000);
    assert.equal(deep.evaluationExamples, 1500);
    // 20 sites, 20 apps, 2 weathers.
    assert.equal(deep.embeddingRows, 42);
    // 0.95 is the most that labels turned around allow.
    assert.ok(deep.auc > 0.9 && deep.auc < 0.98, `deepFm ${deep.auc}`);
    const linear = await best("--model=logisticRegression", ...small);
    assert.ok(linear.auc < 0.6, `logisticRegression ${linear.auc}`);
  });
});

Deno.test("an order of its own for each epoch is a function of the seed, and the file's order can be kept", async () => {
  await withFiles({ "train.csv": table(600, 1) }, async (folder) => {
    const losses = async (...args: string[]) => {
      const { out } = await train(`--path=${folder}/train.csv`, ...args, ...smallDeep);
      return JSON.parse(out).models[0].progressiveLogloss;
    };
    const shuffled = await losses();
    assert.equal(await losses(), shuffled);
    assert.notEqual(await losses("--no-shuffle"), shuffled);
    assert.notEqual(await losses("--set=model.seed=2"), shuffled);
  });
});

Deno.test("dense updates move rows that are not in the batch", async () => {
  await withFiles({ "train.csv": table(600, 1) }, async (folder) => {
    const decay = "--set=embeddings.slices.embeddings.optimizer.weightDecay=1";
    const loss = async (...args: string[]) => {
      const { out } = await train(
        `--path=${folder}/train.csv`,
        "--epochs=3",
        ...args,
        ...smallDeep,
        "--set=trainer.batchRows=8",
      );
      return JSON.parse(out).models[0].logloss;
    };
    assert.notEqual(await loss(decay), await loss(decay, "--no-dense-updates"));
  });
});

Deno.test("the result says which epoch was the best by the validation file", async () => {
  const files = { "train.csv": table(2000, 1), "valid.csv": table(500, 2) };
  await withFiles(files, async (folder) => {
    const { out } = await train(
      `--path=${folder}/train.csv`,
      `--valid=${folder}/valid.csv`,
      "--epochs=3",
      ...smallDeep.filter((arg) => arg !== "--json"),
    );
    assert.match(
      out,
      /deepFm: 3 epochs, evaluated after epoch \d, the best by the validation file \(AUC 0/,
    );
  });
});

Deno.test("the memory for embeddings is not cut by shards, and it is said when it is too little", async () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => `${i % 2},w${i}`);
  await withFiles({ "train.csv": ["label,word", ...rows].join("\n") }, async (folder) => {
    const run = async (...args: string[]) => {
      const { code, out, err } = await train(
        ...[`--path=${folder}/train.csv`, "--no-dense-updates", ...args, ...smallDeep],
      );
      assert.equal(code, 0, err);
      return { err, rows: JSON.parse(out).models[0].embeddingRows };
    };
    const enough = await run("--set=embeddings.bytesMax=8MiB", "--set=shards.count=8");
    assert.equal(enough.rows, 16_000);
    assert.doesNotMatch(enough.err, /full/);
    const little = await run("--set=embeddings.bytesMax=1MiB", "--set=shards.count=1");
    assert.ok(little.rows < 16_000);
    assert.match(little.err, /the embeddings were full, .* raise embeddings\.bytesMax/);
  });
});

Deno.test("L2 gets weaker with the examples unless it is configured, and what is saved says it", async () => {
  const rows = 250_000;
  const lines = Array.from({ length: rows }, (_, i) => `${i % 3 === 0 ? 1 : 0},${i % 7}`);
  await withFiles({ "train.csv": `label,site\n${lines.join("\n")}\n` }, async (folder) => {
    const saved = async (name: string, ...args: string[]) => {
      const { code, err } = await train(
        `--path=${folder}/train.csv`,
        `--save=${folder}/${name}`,
        "--model=logisticRegression",
        "--set=trainer.batchRows=16384",
        "--no-dense-updates",
        ...args,
      );
      assert.equal(code, 0, err);
      const { embeddings } = parse(await Deno.readTextFile(`${folder}/${name}/cairn.yaml`));
      return { err, decay: embeddings.slices.first_order.optimizer.weightDecay };
    };
    const found = await saved("found", "--eval-fraction=0.2");
    assert.equal(found.decay, 0.05);
    // A model that is kept learns from all rows.
    const all = await saved("all");
    assert.equal(all.decay, 0.04);
    assert.match(all.err, /L2 on embeddings is 0\.04 for 250,000 examples; --l2 sets another\./);
    const typed = await saved("typed", "--eval-fraction=0", "--l2=0.3");
    assert.equal(typed.decay, 0.3);
    assert.doesNotMatch(typed.err, /L2 on embeddings/);
    await Deno.copyFile(
      new URL("../../../../examples/categorical.yaml", import.meta.url),
      `${folder}/own.yaml`,
    );
    const own = await saved("own", "--eval-fraction=0", `--config=${folder}/own.yaml`);
    assert.equal(own.decay, 0.05);
  });
});

/**
 * Tables of labelled examples, as public benchmarks of click prediction are published: read, trained on and measured
 * without a line of configuration.
 */
import assert from "node:assert/strict";
import { runCommandLine } from "../../cli/command_line.ts";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";

async function train(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const code = await runCommandLine(["train", "--dataset=csv", ...args], {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  });
  return { code, ...said };
}

/**
 * Who likes what is a matter of two groups that no column names: positive where the site's and the app's are the same.
 * The site alone, and the app alone, tell nothing; `weather` neither. One label in twenty is turned around.
 */
function table(rows: number, seed: number, header = "label,site,app,weather"): string {
  const draws = new SeededRandom(seed).stream("rows");
  const pick = (below: number) => Math.floor(draws.nextFloat() * below);
  const lines = Array.from({ length: rows }, () => {
    const [site, app] = [pick(20), pick(20)];
    const label = (site % 2 === app % 2) !== (pick(20) === 0) ? 1 : 0;
    return `${label},s${site},a${app},${["sun", "rain"][pick(2)]}`;
  });
  return [header, ...lines].join("\n") + "\n";
}

async function withFiles<T>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-table-" });
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${folder}/${name}`, text);
    }
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const small = ["--set=trainer.batchRows=128", "--set=trainer.threads=1", "--json"];
const smallDeep = [
  ...small,
  "--set=model.hidden=[16]",
  "--set=model.embeddingDim=8",
  "--set=embeddings.segments.embeddings.optimizer.learningRate=0.02",
];

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

Deno.test("the label may have any name, and the features may be named", async () => {
  const files = {
    "train.csv": table(300, 1, "bought,site,app,weather"),
    "test.csv": table(100, 2, "bought,site,app,weather"),
  };
  await withFiles(files, async (folder) => {
    const { code, out, err } = await train(
      `--path=${folder}/train.csv`,
      `--eval=${folder}/test.csv`,
      "--label-column=bought",
      "--features=site,app",
      ...smallDeep,
    );
    assert.equal(code, 0, err);
    assert.match(err, /train\.csv: labelled examples, bought from site, app\n/);
    const [{ embeddingRows, evaluationExamples }] = JSON.parse(out).models;
    assert.equal(embeddingRows, 40);
    assert.equal(evaluationExamples, 100);
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
    const decay = "--set=embeddings.segments.embeddings.optimizer.weightDecay=1";
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

const mistakes: readonly [name: string, args: readonly string[], message: RegExp][] = [
  [
    "a label that is not there",
    ["--label-column=clicked"],
    /train\.csv:1: there is no column "clicked" for the label; its columns are label, site, app, weather/,
  ],
  ["a feature that is not there", ["--features=site,page"], /no column "page" for a feature/],
  ["the label as a feature", ["--features=site,label"], /"label" cannot be a feature as well/],
  [
    "a test file without one of the columns",
    ["--eval=other.csv"],
    /other\.csv:1: there is no column "weather" for the feature; its columns are label, site, app\./,
  ],
];

for (const [name, args, message] of mistakes) {
  Deno.test(`${name} is said with the columns that there are`, async () => {
    const files = { "train.csv": table(20, 1), "other.csv": "label,site,app\n1,s1,a1\n" };
    await withFiles(files, async (folder) => {
      const placed = args.map((arg) => arg.replace("--eval=", `--eval=${folder}/`));
      const { code, err } = await train(`--path=${folder}/train.csv`, ...placed, "--json");
      assert.notEqual(code, 0);
      assert.match(err, message);
    });
  });
}

Deno.test("features without a label ask for its name", async () => {
  await withFiles({ "train.csv": "a,b,c\n1,2,3\n" }, async (folder) => {
    const { code, err } = await train(`--path=${folder}/train.csv`, "--features=b");
    assert.notEqual(code, 0);
    assert.match(
      err,
      /no column of .*train\.csv is called label \(a, b, c\); name it by --label-column/,
    );
  });
});

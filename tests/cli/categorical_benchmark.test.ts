/**
 * Tables of labelled examples, as public benchmarks of click prediction are published: read, trained on and measured
 * without a line of configuration.
 */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { SeededRandom } from "../../mesh/simulation/seeded_random.ts";
import { runCaptured } from "./captured_command.ts";

const train = (...args: string[]) => runCaptured("train", "--dataset=csv", ...args);

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

Deno.test("features of a configuration stay: a number and a cross of the table's columns, as configured", async () => {
  const configuration = `
features:
  slots:
    site: { kind: categorical, source: item }
    app: { kind: categorical, source: item }
    both: { kind: cross, of: [site, app] }
model: { kind: logisticRegression }
`;
  const files = { "train.csv": table(2000, 1), "my.yaml": configuration };
  await withFiles(files, async (folder) => {
    const run = async (...args: string[]) => {
      const files = [`--path=${folder}/train.csv`, `--config=${folder}/my.yaml`];
      const { code, out, err } = await train(...files, ...args, "--epochs=20", "--json");
      assert.equal(code, 0, err);
      return { err, ...JSON.parse(out).models[0] };
    };
    const configured = await run("--label-column=label");
    // Only by the cross can a linear model tell who likes what.
    assert.ok(configured.auc > 0.8, `AUC ${configured.auc}`);
    assert.match(configured.err, /label from site, app, both \(features of .*my\.yaml\)\n/);
    const named = await run("--label-column=label", "--features=weather, site");
    assert.equal(named.embeddingRows, 22);
    assert.match(named.err, /label from weather, site\n/);
  });
});

Deno.test("a configuration without features makes one of each column, and may have any name", async () => {
  const recipe = await Deno.readTextFile("examples/categorical.yaml");
  await withFiles({ "train.csv": table(300, 1), "my.yaml": recipe }, async (folder) => {
    const { code, out, err } = await train(
      `--path=${folder}/train.csv`,
      `--config=${folder}/my.yaml`,
      ...smallDeep,
    );
    assert.equal(code, 0, err);
    assert.match(err, /label from site, app, weather\n/);
    assert.equal(JSON.parse(out).models[0].embeddingRows, 42);
  });
});

for (
  const [name, made] of [
    ["\u22121 and 1", (label: string) => label === "1" ? "1" : "-1"],
    ["True and False", (label: string) => label === "1" ? "True" : "False"],
  ] as const
) {
  Deno.test(`labels of ${name} are those of 0 and 1`, async () => {
    const text = table(300, 1);
    const other = text.replaceAll(/^[01](?=,)/gm, made);
    await withFiles({ "0.csv": text, "1.csv": other }, async (folder) => {
      const [expected, found] = await Promise.all(["0", "1"].map(async (file) => {
        const { code, out, err } = await train(`--path=${folder}/${file}.csv`, ...smallDeep);
        assert.equal(code, 0, err);
        const { seconds: _, examplesPerSecond: __, ...figures } = JSON.parse(out).models[0];
        return figures;
      }));
      assert.notEqual(other, text);
      assert.deepEqual(found, expected);
    });
  });
}

for (const label of ["y", "isClick", "Conversion", "clk"]) {
  Deno.test(`a column called ${label} is the label, also beside a user and an item`, async () => {
    const text = table(300, 1, `user,item,weather`).replace(/^/, `${label},`);
    await withFiles({ "train.csv": text }, async (folder) => {
      const { code, err } = await train(`--path=${folder}/train.csv`, ...smallDeep);
      assert.equal(code, 0, err);
      assert.match(err, new RegExp(`labelled examples, ${label} from user, item, weather\n`));
    });
  });
}

/** The table with a number before each row. */
const numbered = (text: string, name: string) =>
  text.trim().split("\n").map((line, i) => `${i === 0 ? name : i - 1},${line}\n`).join("");

Deno.test("a column without a name numbers the rows and is left out; one that may do so is said", async () => {
  const text = table(300, 1);
  const files = {
    "plain.csv": text,
    "index.csv": numbered(text, ""),
    "id.csv": numbered(text, "id"),
  };
  await withFiles(files, async (folder) => {
    const run = async (...args: string[]) => {
      const { code, out, err } = await train(...args, ...smallDeep);
      assert.equal(code, 0, err);
      return { err, logloss: JSON.parse(out).models[0].logloss };
    };
    const plain = await run(`--path=${folder}/plain.csv`);
    const index = await run(`--path=${folder}/index.csv`);
    assert.equal(index.logloss, plain.logloss);
    assert.match(index.err, /label from site, app, weather\ncolumn 1 has no name, .* left out\n/);
    const id = await run(`--path=${folder}/id.csv`);
    const [, advice] = /id may be the number of a row: (.*) leaves it out/.exec(id.err) ?? [];
    assert.equal(advice, "--features site,app,weather");
    const without = await run(`--path=${folder}/id.csv`, ...advice.split(" "));
    assert.equal(without.logloss, plain.logloss);
  });
});

Deno.test("a file without a header is read by names that were typed", async () => {
  const text = table(300, 1);
  const headless = text.slice(text.indexOf("\n") + 1);
  await withFiles({ "0.csv": text, "1.csv": headless }, async (folder) => {
    const logloss = async (...args: string[]) => {
      const { code, out, err } = await train(...args, ...smallDeep);
      assert.equal(code, 0, err);
      return JSON.parse(out).models[0].logloss;
    };
    assert.equal(
      await logloss(`--path=${folder}/1.csv`, "--header=label,site,app,weather"),
      await logloss(`--path=${folder}/0.csv`),
    );
  });
});

Deno.test("a column that is named as a number is told apart by size", async () => {
  const rows = Array.from({ length: 200 }, (_, i) => `${i % 2},${1000 + i % 2 * 9000 + i},x`);
  const text = ["label,price,word", ...rows].join("\n");
  await withFiles({ "train.csv": text }, async (folder) => {
    const { code, out, err } = await train(
      `--path=${folder}/train.csv`,
      "--numeric=price",
      ...smallDeep,
    );
    assert.equal(code, 0, err);
    assert.doesNotMatch(err, /--numeric/);
    assert.match(err, /label from price \(a number\), word\n/);
    // Prices from 1,000 to 1,200 and from 10,000 to 10,200: a few buckets; as categories they would be 160.
    assert.ok(JSON.parse(out).models[0].embeddingRows < 8, out);
  });
});

Deno.test("columns that may be numbers are told with the option that makes them so", async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `${i % 2},${i / 4},${i},${i},1.${i}.2`);
  const text = ["label,price,I1,item,version", ...rows].join("\n");
  await withFiles({ "train.csv": text }, async (folder) => {
    const { code, err } = await train(`--path=${folder}/train.csv`, ...smallDeep);
    assert.equal(code, 0, err);
    assert.match(err, /each value of price,I1 is a category: --numeric price,I1 tells/);
  });
});

Deno.test("a byte order mark, ends of lines from Windows, quotes and blanks in the header change nothing", async () => {
  const text = table(300, 1);
  const other = "\ufeff" + text.replace("site,app", '" site",app ')
    .replaceAll(/,(s\d+),/g, ',"$1",').replaceAll("\n", "\r\n");
  await withFiles({ "0.csv": text, "1.csv": other }, async (folder) => {
    const outs = await Promise.all(["0", "1"].map(async (file) => {
      const args = [`--path=${folder}/${file}.csv`, "--features=site,app", ...smallDeep];
      const { code, out, err } = await train(...args);
      assert.equal(code, 0, err);
      return JSON.parse(out).models[0].logloss;
    }));
    assert.equal(outs[0], outs[1]);
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
      return { err, decay: embeddings.segments.first_order.optimizer.weightDecay };
    };
    // A fifth is held back.
    const found = await saved("found");
    assert.equal(found.decay, 0.05);
    const all = await saved("all", "--eval-fraction=0");
    assert.equal(all.decay, 0.04);
    assert.match(all.err, /L2 on embeddings is 0\.04 for 250,000 examples; --l2 sets another\./);
    const typed = await saved("typed", "--eval-fraction=0", "--l2=0.3");
    assert.equal(typed.decay, 0.3);
    assert.doesNotMatch(typed.err, /L2 on embeddings/);
    await Deno.copyFile(
      new URL("../../examples/categorical.yaml", import.meta.url),
      `${folder}/own.yaml`,
    );
    const own = await saved("own", "--eval-fraction=0", `--config=${folder}/own.yaml`);
    assert.equal(own.decay, 0.05);
  });
});

Deno.test("a column of times is a category unless it is named, and that is said", async () => {
  const rows = Array.from({ length: 40 }, (_, i) => `u${i % 7},i${i % 5},${i % 3 % 2},${1e9 + i}`);
  const text = ["user,item,label,timestamp", ...rows].join("\n");
  await withFiles({ "train.csv": text }, async (folder) => {
    const said = await train(`--path=${folder}/train.csv`, ...smallDeep);
    const [, advice] = /timestamp is a category .*; (--.*) makes it the order/.exec(said.err) ?? [];
    assert.equal(advice, "--label-column label --time-column timestamp");
    const ordered = await train(`--path=${folder}/train.csv`, ...advice.split(" "), ...smallDeep);
    assert.equal(ordered.code, 0, ordered.err);
    assert.match(ordered.err, /label from user, item\n/);
    assert.doesNotMatch(ordered.err, /category like/);
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

/** The table as libsvm writes categories: each value of each column has an index of its own. */
function libsvm(text: string): string {
  const indices = new Map<string, number>();
  const [, ...rows] = text.trim().split("\n");
  return rows.map((row) => {
    const [label, ...cells] = row.split(",");
    const pairs = cells.map((cell, place) => {
      const value = `${place} ${cell}`;
      if (!indices.has(value)) indices.set(value, indices.size);
      return `${indices.get(value)}:1`;
    });
    return `${label === "1" ? "1" : "-1"} ${pairs.join(" ")}\n`;
  }).join("");
}

Deno.test("a libsvm file with equally many indices in each row is the table that it was made of", async () => {
  const text = table(4000, 1);
  await withFiles({ "train.csv": text, "train.svm": libsvm(text) }, async (folder) => {
    const run = async (dataset: string, file: string) => {
      const { code, out, err } = await runCaptured(
        ...[
          "train",
          `--dataset=${dataset}`,
          `--path=${folder}/${file}`,
          "--epochs=8",
          ...smallDeep,
        ],
      );
      assert.equal(code, 0, err);
      return { err, ...JSON.parse(out).models[0] };
    };
    const svm = await run("libsvm", "train.svm");
    const csv = await run("csv", "train.csv");
    assert.match(svm.err, /labelled examples, label from field_1, field_2, field_3\n/);
    assert.equal(svm.embeddingRows, csv.embeddingRows);
    assert.ok(svm.auc > 0.8 && Math.abs(svm.auc - csv.auc) < 0.05, `${svm.auc}, ${csv.auc}`);
  });
});

Deno.test("a libsvm file with rows of different lengths is a list of indices", async () => {
  const lines = Array.from({ length: 400 }, (_, i) => `${i % 2} ${i % 2}:1 ${2 + i % 7}:2`);
  const text = lines.map((line, i) => i % 3 === 0 ? `${line} 9:1\n` : `${line}\n`).join("");
  await withFiles({ "train.svm": text }, async (folder) => {
    const { code, out, err } = await runCaptured(
      ...["train", "--dataset=libsvm", `--path=${folder}/train.svm`, "--epochs=10", ...smallDeep],
    );
    assert.equal(code, 0, err);
    assert.match(err, /labelled examples, label from indices \(a list\)\n/);
    assert.ok(JSON.parse(out).models[0].auc > 0.99, out);
  });
});

Deno.test("a libsvm row unlike the first ones is told with its line", async () => {
  const rows = Array.from({ length: 1001 }, (_, i) => `${i % 2} ${i % 3}:1 ${5 + i % 3}:1`);
  await withFiles({ "train.svm": [...rows, "1 2:1", ""].join("\n") }, async (folder) => {
    const { code, err } = await runCaptured(
      "train",
      "--dataset=libsvm",
      `--path=${folder}/train.svm`,
    );
    assert.equal(code, 1);
    assert.match(err, /train\.svm:1002: it is not 2 indices of value 1, .*--config/);
  });
});

const mistakes: readonly (readonly [name: string, args: readonly string[], message: RegExp])[] = [
  [
    "a label that is not there",
    ["--label-column=clicked"],
    /train\.csv:1: there is no column "clicked" for the label; its columns are label, site, app, weather/,
  ],
  ["a feature that is not there", ["--features=site,page"], /no column "page" for a feature/],
  [
    "a number that is no feature",
    ["--features=site,app", "--numeric=weather"],
    /the number "weather" is not among the named features/,
  ],
  [
    "a number beside configured features",
    ["--numeric=weather", "--config=movies.yaml"],
    /--numeric is for columns .*movies\.yaml configures features/,
  ],
  ["the label as a feature", ["--features=site,label"], /"label" cannot be a feature as well/],
  [
    "a test file without one of the columns",
    ["--eval=other.csv"],
    /other\.csv:1: there is no column "weather" for the feature; its columns are label, site, app\./,
  ],
  [
    "a validation file of one label",
    ["--valid=other.csv", "--features=site"],
    /Cannot use .*other\.csv: all 1 examples are positive, and it takes both; does the column label suit\?/,
  ],
  [
    "a configured feature that is an id nobody named",
    ["--label-column=label", "--config=movies.yaml"],
    /the feature "user" is the id of a user, .* --user-column \(its columns are label, site, app, weather\)/,
  ],
  [
    "a name that two columns have",
    ["--path=twice.csv"],
    /twice\.csv:1: two columns are called "site"/,
  ],
  [
    "two columns that may be the label",
    ["--path=two_labels.csv"],
    /two_labels\.csv:1: the label may be click or label; .*: --label-column click --features site,app$/m,
  ],
  [
    "interactions that do not say what was done",
    ["--path=bought.csv"],
    /bought\.csv:1: no column is called like a label \(user, item, bought\); name it by --label-column/,
  ],
  [
    "a file without a header",
    ["--path=headless.csv"],
    /headless\.csv:1: its columns would be called 0, 7, 8, .*name the columns: --header label,c1,c2,c3$/m,
  ],
  [
    "a file without a header where a value is there twice",
    ["--path=headless_words.csv"],
    /two columns are called "a".* --header label,c1,c2$/m,
  ],
  [
    "a header that was typed with too few names",
    ["--path=headless.csv", "--header=label,site,app"],
    /headless\.csv:1: the row has 4 cells, and the header names 3 columns/,
  ],
  [
    "a header that was typed with a name twice",
    ["--path=headless.csv", "--header=label,site,app,site"],
    /--header <names>.* "site" is there twice; each column has a name of its own\./,
  ],
  [
    "another delimiter",
    ["--path=semicolons.csv"],
    /no column is called like .*\(label;site;app;weather\).* --label-column\. .*say --delimiter ';'/,
  ],
  [
    "blanks between the fields",
    ["--path=blanks.csv"],
    /no column is called like a label \(label site app weather\).*say --delimiter ' '/,
  ],
  [
    "a label that is no number",
    ["--path=words.csv"],
    /words\.csv:2: the label \(column label\) is "yes", expected a number such as 0 or 1, true or false/,
  ],
  [
    "a validation file that is not there",
    ["--valid=none.csv"],
    /none\.csv: there is no such file/,
  ],
  ["patience without a validation file", ["--patience=2"], /--patience needs a validation file/],
  ...["--path", "--valid", "--eval"].map((option) =>
    [
      `a file without rows for ${option}`,
      [`${option}=header.csv`],
      /header\.csv: it has no examples\./,
    ] as const
  ),
  [
    "a label of 1 and 2",
    ["--path=one_two.csv"],
    /all 2 examples are positive, .*0\.5 or more is positive .*--label-at-least/,
  ],
];

for (const [name, args, message] of mistakes) {
  Deno.test(`${name} is told with what to do`, async () => {
    const files = {
      "train.csv": table(20, 1),
      "other.csv": "label,site,app\n1,s1,a1\n",
      "twice.csv": "label,site,site\n1,s1,a1\n",
      "semicolons.csv": table(20, 1).replaceAll(",", ";"),
      "blanks.csv": table(20, 1).replaceAll(",", " "),
      "two_labels.csv": "click,site,app,label\n1,s1,a1,0\n0,s1,a1,1\n",
      "bought.csv": "user,item,bought\nu,i,1\nv,i,0\n",
      "headless.csv": "0,7,8,9\n1,7,8,9\n",
      "headless_words.csv": "0,a,a\n1,a,b\n",
      "words.csv": "label,site\nyes,s1\n",
      "header.csv": "label,site,app,weather\n",
      "one_two.csv": "label,site\n2,s1\n1,s2\n2,s1\n",
      "movies.yaml": await Deno.readTextFile("examples/movies.yaml"),
    };
    await withFiles(files, async (folder) => {
      const placed = args.map((arg) => arg.replace(/(?<==)(?=\w+\.(csv|yaml)$)/, `${folder}/`));
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
      /train\.csv:1: no column is called like a label \(a, b, c\); name it by --label-column/,
    );
  });
});

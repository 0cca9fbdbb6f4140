/** Which columns of a table become which features, and which one the label. */
import assert from "node:assert/strict";
import { smallDeep, table, train, withFiles } from "./small_tables.ts";

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
    // Only by the cross can a linear model tell which user likes which item.
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
    // Prices from 1,000 to 1,200 and from 10,000 to 10,200: a few buckets; as categories they would
    // be 160.
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

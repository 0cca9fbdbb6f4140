/** Tables in libsvm's format. */
import assert from "node:assert/strict";
import { runCaptured } from "../../captured_command.ts";
import { smallDeep, table, withFiles } from "./small_tables.ts";

/** The table as libsvm writes categories: each value of each column has an index of its own. */
function libsvm(text: string): string {
  const indices = new Map<string, number>();
  const [, ...rows] = text.trim().split("\n");
  return rows.map((row) => {
    const [label, ...cells] = row.split(",");
    const pairs = cells.map((cell, column) => {
      const value = `${column} ${cell}`;
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

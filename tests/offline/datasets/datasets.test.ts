/**
 * Each format on a small made sample: what is read, and what is said about lines that cannot be.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { InteractionChunk } from "../../../offline/datasets/dataset.ts";
import { DatasetError } from "../../../offline/datasets/errors.ts";
import { readInteractions } from "../../../offline/datasets/interaction_table.ts";
import { type DatasetOptions, openDataset } from "../../../offline/datasets/open_dataset.ts";
import { parseConfiguration } from "../../../configuration/configuration.ts";

const samples = new URL("./samples/", import.meta.url).pathname;

/** All rows as `[user, item, value, unix seconds]`. */
async function rowsOf(options: DatasetOptions) {
  const dataset = await openDataset(options);
  const chunks: InteractionChunk[] = [];
  for await (const chunk of dataset.interactions()) chunks.push(chunk);
  const rows = chunks.flatMap((chunk) =>
    chunk.users.map((user, i) => [user, chunk.items[i], chunk.values[i], chunk.atMs[i] / 1000])
  );
  return { dataset, rows, fields: chunks.flatMap((chunk) => chunk.fields ?? []) };
}

async function rowsOfText(kind: DatasetOptions["kind"], text: string | Uint8Array, name = "data") {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, name);
    await Deno.writeFile(path, typeof text === "string" ? new TextEncoder().encode(text) : text);
    return await rowsOf({ kind, path });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("MovieTweetings gives ratings with the films' years and genres", async () => {
  const { dataset, rows } = await rowsOf({
    kind: "movietweetings",
    path: `${samples}movietweetings`,
  });
  assert.deepEqual(rows[0], ["7", "0000002", 9, 1365029107]);
  assert.equal(rows.length, 4);
  assert.equal(dataset.action, "rating");
  assert.deepEqual([...dataset.items], [
    ["0000001", {
      title: "The Lamp in the Ünder (1915)",
      year: 1915,
      genres: ["Comedy", "Short"],
    }],
    ["0000002", { title: "Second Lamp (2013)", year: 2013, genres: ["Drama"] }],
    ["0000003", { title: "Nameless Lamp" }],
  ]);
});

Deno.test("MovieLens is read in each form that it was published in", async () => {
  const csv = await rowsOf({ kind: "movielens", path: `${samples}ml-latest` });
  assert.deepEqual(csv.rows, [["1", "10", 4, 964982703], ["2", "11", 3.5, 964981247]]);
  assert.deepEqual([...csv.dataset.items], [
    ["10", { title: "Lamp, The (1995)", year: 1995, genres: ["Adventure", "Comedy"] }],
    ["11", { title: 'The "Other" Lamp (1996)', year: 1996 }],
  ]);

  const dat = await rowsOf({ kind: "movielens", path: `${samples}ml-1m` });
  assert.deepEqual(dat.rows, [["1", "10", 5, 978300760], ["2", "11", 3, 978302109]]);
  assert.equal(dat.dataset.items.get("11")?.title, "Café (1996)");
  assert.deepEqual(dat.dataset.users.get("1"), { gender: "F", age: 25, occupation: "10" });

  const tab = await rowsOf({ kind: "movielens", path: `${samples}ml-100k` });
  assert.deepEqual(tab.rows, [["1", "10", 3, 881250949], ["2", "11", 5, 891717742]]);
  assert.deepEqual(tab.dataset.items.get("10")?.genres, ["Action", "Drama"]);
  assert.equal(tab.dataset.items.get("11")?.genres, undefined);
  assert.deepEqual(tab.dataset.users.get("2"), { age: 53, gender: "F", occupation: "other" });
});

Deno.test("a CSV's columns become roles by name, and attributes by the feature schema", async () => {
  const { schema } = parseConfiguration(
    `features:
  slots:
    tags: { kind: list, source: item }
    device: { kind: categorical, source: context }
    price: { kind: numeric, source: item, dense: { kind: log } }`,
    "c",
  ).features;
  const { rows, fields } = await rowsOf({
    kind: "csv",
    path: `${samples}shop.csv`,
    columns: { item: "sku", value: "price", time: "when" },
    schema,
  }).catch((error) => ({ rows: [error.message], fields: [] }));
  assert.match(rows[0] as string, /shop\.csv:3: the column price is "", expected a number/);
  assert.deepEqual(fields, []);

  const good = await rowsOf({
    kind: "csv",
    path: `${samples}shop.csv`,
    columns: { item: "sku", time: "when" },
    schema,
  });
  assert.deepEqual(good.rows, [
    ["c1", "a", NaN, Date.UTC(2011, 11, 9, 8, 26) / 1000],
    ["c2", 'b,"c"', NaN, Date.UTC(2011, 11, 9, 8, 27) / 1000],
  ]);
  assert.deepEqual(good.fields, [
    { action: "view", item: { tags: ["red", "blue"], price: 2.5 }, context: { device: "phone" } },
    { action: "buy", context: { device: "web" } },
  ]);
});

Deno.test("JSONL carries attributes of user, item and moment", async () => {
  const { rows, fields } = await rowsOf({ kind: "jsonl", path: `${samples}clicks.jsonl` });
  assert.deepEqual(rows, [["u1", "a", 1, 1700000001], ["u2", "b", NaN, 1700000000]]);
  assert.deepEqual(fields, [
    { item: { tags: ["x"] }, context: { device: "phone" } },
    { action: "view" },
  ]);
});

Deno.test("libsvm's indices become context attributes and a list", async () => {
  const { rows, fields } = await rowsOf({ kind: "libsvm", path: `${samples}svm.txt` });
  assert.deepEqual(rows, [["4", "", 1, 0], ["", "", 0, 0]]);
  assert.deepEqual(fields, [
    { context: { "3": 0.5, "17": 0, "20": -2, indices: ["3", "20"] } },
    { context: { "3": 1, indices: ["3"] } },
  ]);
});

Deno.test("a packed file is unpacked on the way, and a Windows line end is no part of a field", async () => {
  const text = new Blob(["user,item,rating\r\n1,10,3\r\n"]).stream();
  const packed = await new Response(text.pipeThrough(new CompressionStream("gzip"))).bytes();
  const csv = await rowsOfText("csv", packed, "ratings.csv.gz");
  assert.deepEqual(csv.rows, [["1", "10", 3, 0]]);
  const jsonl = await rowsOfText("jsonl", '{"user":"a","item":"b"}\r\n');
  assert.deepEqual(jsonl.rows, [["a", "b", NaN, 0]]);
});

Deno.test("rows come in order of time, those of one moment in the file's order", async () => {
  const dataset = await openDataset({ kind: "movietweetings", path: `${samples}movietweetings` });
  const table = await readInteractions(dataset);
  const rows = Array.from({ length: table.rows }, (_, row) => [table.user(row), table.item(row)]);
  assert.deepEqual(rows, [["8", "0000001"], ["7", "0000001"], ["7", "0000002"], ["9", "0000003"]]);
  assert.deepEqual([...table.values], [4, 8, 9, 10]);
  const asWritten = await readInteractions(dataset, { byTime: false });
  assert.deepEqual([...asWritten.values], [9, 4, 8, 10]);
});

const broken: [name: string, kind: DatasetOptions["kind"], text: string, message: RegExp][] = [
  [
    "a row with a field too many",
    "csv",
    "user,item\n1,2\n1,2,3\n",
    /data:3: the row has 3 cells, and the header names 2 columns\./,
  ],
  ["a quote that never ends", "csv", 'user,item\n1,"2\n', /data:\d+: .*quot/i],
  [
    "a header without users and items",
    "csv",
    "a,b\n1,2\n",
    /data:1: no column is called like a user or an item \(a, b\)/,
  ],
  [
    "a rating that is no number",
    "csv",
    "user,item,rating\n1,2,x\n",
    /data:2: the column rating is "x", expected a number/,
  ],
  [
    "a time that is no time",
    "csv",
    "user,item,time\n1,2,yesterday\n",
    /data:2: the time is "yesterday", expected Unix seconds/,
  ],
  ["a line that is no JSON", "jsonl", '{"user":"a"}\n{user}\n', /data:2: "\{user\}" is not JSON/],
  [
    "an unknown JSON key",
    "jsonl",
    '{"usr":"a"}\n',
    /data:1: unknown key "usr"; known are user, item, value, timestamp, action/,
  ],
  ["a JSON list as a row", "jsonl", '["u"]\n', /data:1: \["u"\] is not an object like \{"user"/],
  [
    "a number as a JSON id",
    "jsonl",
    '{"user":"a","item":22465}\n',
    /data:1: item is 22465; write "22465" in quotes/,
  ],
  [
    "an attribute of a wrong type",
    "jsonl",
    '{"user":"a","context":{"x":{}}}\n',
    /data:1: context\.x is \{\}; write text, a number/,
  ],
  ["a label that is no number", "libsvm", "yes 1:2\n", /data:1: the label is "yes"/],
  ["a pair without a value", "libsvm", "1 1:2 7\n", /data:1: found "7", expected index:value/],
];

for (const [name, kind, text, message] of broken) {
  Deno.test(`${name} is an error with its file and line`, async () => {
    await assert.rejects(rowsOfText(kind, text), (error) => {
      assert.ok(error instanceof DatasetError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("a file or folder that is not there is said to be none", async () => {
  await assert.rejects(
    rowsOf({ kind: "csv", path: "/nowhere/ratings.csv" }),
    /Cannot read \/nowhere\/ratings\.csv: there is no such file\./,
  );
  await assert.rejects(
    openDataset({ kind: "movielens", path: "/nowhere" }),
    /there is none of ratings\.csv, ratings\.dat, u\.data in it/,
  );
  await assert.rejects(openDataset({ kind: "movietweetings", path: "/nowhere" }), DatasetError);
});

Deno.test("a ratings line with too few fields names its line", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "movies.dat"), "");
    await Deno.writeTextFile(join(folder, "ratings.dat"), "1::2::3::4\n1::2\n");
    await assert.rejects(
      rowsOf({ kind: "movietweetings", path: folder }),
      /ratings\.dat:2: it has 2 fields separated by "::", expected 4 or more/,
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

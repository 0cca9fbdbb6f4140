/** Values of cells: amounts, lists, and the texts of absent values. */
import assert from "node:assert/strict";
import { History } from "../../../offline/import/history.ts";
import { proposeMapping } from "../../../offline/import/mapping.ts";
import { readHistory } from "../../../offline/import/read_history.ts";
import { declared, LATEST_MS, readText, schema } from "./read_text.ts";

Deno.test("amounts are read without their currency; a decimal comma needs the option", async () => {
  const text =
    'user,item,time,qty,price\nu,a,10,1,$3.50\nu,b,10,2,"3,50 €"\nu,c,10,"1,234",1\nu,d,10,2,"1,234.50"\n';
  const { history, refused } = await readText("e.csv", text, "events");
  assert.deepEqual([0, 1].map((i) => history.event(i).itemFields), [
    { price: 3.5 },
    { price: 1234.5 },
  ]);
  assert.deepEqual(refused, [
    [3, "column price is \"3,50 €\", whose comma may be the decimal sign: say --decimal ','"],
    [
      4,
      "the value is \"1,234\", whose comma may be the decimal sign: say --decimal ',' or --decimal '.'",
    ],
  ]);
  const byComma = 'user,item,time,qty,price\nu,a,10,"1,5","1.234,50"\nu,b,10,1.5,1\n';
  const typed = await readText("e.csv", byComma, "events", { decimal: "," });
  assert.equal(typed.history.event(0).value, 1.5);
  assert.deepEqual(typed.history.event(0).itemFields, { price: 1234.5 });
  assert.deepEqual(typed.refused, [[3, 'the value is "1.5", expected a number']]);
});

Deno.test("the texts of an absent value are no ids, no values and no attributes", async () => {
  const text =
    "user,item,time,qty,price,words\nu,a,10,NULL,nan,\\N\nNULL,b,20,1,2,x\nu,None,30,1,2,x\n";
  const { history, refused } = await readText("e.csv", text, "events");
  assert.deepEqual(history.event(0), {
    user: "u",
    item: "a",
    action: "purchase",
    value: NaN,
    atMs: 10_000,
  });
  assert.deepEqual(refused, [[3, "column user has no user"], [4, "column item has no item"]]);
  const shown = await readText(
    "shown.csv",
    "ranking,user,items,time\nr1,u,NULL,10\nr2,u,a|NULL,10\nr3,u,a|b,10\n",
    "impressions",
  );
  assert.deepEqual(shown.history.rankings.map(({ items }) => items), [["a", "b"]]);
  assert.deepEqual(shown.refused, [
    [2, "column items has no item"],
    [3, "column items has no item"],
  ]);
});

Deno.test("a number that is NaN, as Parquet holds it, is no value and no id", async () => {
  const typed = { targets: new Map(), separators: new Map() };
  const columns = ["user", "item", "value"];
  const mapping = proposeMapping({
    file: "e.parquet",
    content: "events",
    columns,
    schema,
    declared,
    typed,
  });
  async function* rows() {
    yield { line: 1, cells: [7, "a", NaN] };
    yield { line: 2, cells: [NaN, "a", 1] };
    yield await Promise.resolve({ line: 3, cells: [7, NaN, 1] });
  }
  const history = new History();
  const refused: string[] = [];
  await readHistory(history, rows(), {
    content: "events",
    mapping,
    action: "purchase",
    times: {},
    latestMs: LATEST_MS,
    untilMs: Infinity,
    valueRanges: {},
    refuse: (_, reason) => refused.push(reason),
  });
  assert.equal(history.events, 1);
  assert.deepEqual(refused, ["column user has no user", "column item has no item"]);
});

Deno.test("a list in a table is JSON or has | between its values", async () => {
  const text =
    'ranking,user,items,time\nr1,u,"[""a"", 7]",10\nr2,u,a|b,20\nr3,u,"[\'a\', \'b\']",30\nr4,u,[],40\n';
  const { history, refused } = await readText("shown.csv", text, "impressions");
  assert.deepEqual(history.rankings.map(({ items }) => items), [["a", "7"], ["a", "b"]]);
  assert.deepEqual(refused, [
    [
      4,
      'the item is "[\'a\', \'b\']", which is no list of JSON; write ["a", "b"], or the values between |',
    ],
    [5, "the list of items is empty"],
  ]);
  const events = await readText("e.csv", 'user,item,time\nu,"[""a"", 7]",10\n', "events");
  assert.deepEqual(events.refused, [[2, "the item is a list; write a row for each item"]]);
  const items = await readText(
    "items.csv",
    'sku,words\np1,"[""red"", ""cup""]"\np2,red|cup\n',
    "items",
  );
  assert.deepEqual([...items.history.profiles.item.values()], [
    { words: ["red", "cup"] },
    { words: ["red", "cup"] },
  ]);
});

Deno.test("arrays and booleans are read as PostgreSQL copies them", async () => {
  const arrays = [String.raw`{red,"two, \"words\"",NULL}`, "{}", "{red}", "{red,}", '{"a":1}'];
  const lines = arrays.map((words, i) => `p${i},"${words.replaceAll('"', '""')}",${"tf"[i % 2]}`);
  const { history } = await readText(
    "items.csv",
    ["id,words,sold", ...lines, ""].join("\n"),
    "items",
  );
  assert.deepEqual([...history.profiles.item.values()], [
    { words: ["red", 'two, "words"'], sold: true },
    { words: [], sold: false },
    { words: ["red"], sold: true },
    { words: ["{red,}"], sold: false },
    { words: ['{"a":1}'], sold: true },
  ]);
});

Deno.test("an absent value in a list is no text", async () => {
  const lines = [{ sku: "p1", words: ["red", null, "", 7, { a: 1 }] }, {
    sku: "p2",
    words: [null],
  }];
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  const { history } = await readText("items.jsonl", text, "items");
  assert.deepEqual([...history.profiles.item.values()], [
    { words: ["red", "7", '{"a":1}'] },
    { words: [] },
  ]);
  const table = await readText("items.csv", "sku,words\np1,red| NULL |cup\n", "items");
  assert.deepEqual(table.history.profiles.item.get("p1"), { words: ["red", "cup"] });
});

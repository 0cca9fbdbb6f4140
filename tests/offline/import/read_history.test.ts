import assert from "node:assert/strict";
import { readText } from "./read_text.ts";

Deno.test("events are read from a packed CSV with quotes, and whole numbers lose their decimals", async () => {
  const { history, refused } = await readText(
    "orders.csv.gz",
    'customer,item,date,qty,price\n17850.0,"a,1",2024-05-01 08:00,2,2.5\nx,b,1714550400,,\n',
    "events",
  );
  assert.deepEqual(refused, []);
  assert.deepEqual([0, 1].map((i) => history.event(i)), [
    {
      user: "17850",
      item: "a,1",
      action: "purchase",
      value: 2,
      atMs: Date.parse("2024-05-01T08:00:00Z"),
      itemFields: { price: 2.5 },
    },
    { user: "x", item: "b", action: "purchase", value: NaN, atMs: 1714550400_000 },
  ]);
});

Deno.test("attributes that only rules read are stored in their declared types", async () => {
  const { history, refused } = await readText(
    "items.csv",
    "id,stock,sold\na,3,true\nb,,0\nc,3,perhaps\n",
    "items",
  );
  assert.deepEqual([...history.profiles.item], [["a", { stock: 3, sold: true }], [
    "b",
    { sold: false },
  ]]);
  assert.deepEqual(refused, [[4, 'column sold is "perhaps", expected true or false']]);
});

Deno.test("a row that cannot be used is refused with its line, and the others are read", async () => {
  const { history, refused, added } = await readText(
    "events.csv",
    [
      "user,item,time,action,value,price",
      ",a,2024-05-01,rating,3,1", // 2
      "u,a,yesterday,rating,3,1",
      "u,a,2027-01-01,rating,3,1",
      "u,a,2026-01-01 08:00,rating,3,1",
      "u,a,2024-05-01,rating,9,1",
      "u,a,2024-05-01,rating,many,1",
      "u,a,2024-05-01,rating,3,cheap",
      "u,a,2024-05-01",
      "u,a,2024-05-01,rating,3,1",
      "",
    ].join("\n"),
    "events",
  );
  assert.equal(added, 1);
  assert.equal(history.events, 1);
  assert.deepEqual(refused, [
    [2, "column user has no user"],
    [
      3,
      'the time is "yesterday", expected Unix seconds, Unix ms or a date such as 2024-05-01T12:00:00Z',
    ],
    [4, 'the time "2027-01-01" is in the future'],
    [
      5,
      'the time "2026-01-01 08:00" is in the future, read as UTC: ' +
      "--zone names the zone of times without one",
    ],
    [
      6,
      'the value 9 is outside the bounds of the action "rating" (1 to 5, by the label rules)',
    ],
    [7, 'the value is "many", expected a number'],
    [8, 'column price is "cheap", expected a number'],
    [9, "the row has 3 cells, and there are 6 columns"],
  ]);
});

Deno.test("neighbouring rows of one ranking are one ranking; rows apart are refused", async () => {
  const { history, refused } = await readText(
    "shown.csv",
    "ranking,user,item,time\nr1,u,a,10\nr1,u,b,10\nr2,u,c,11\nr1,u,d,12\n",
    "impressions",
  );
  assert.deepEqual(history.rankings.map(({ items }) => items), [["a", "b"], ["c"]]);
  assert.deepEqual(refused, [
    [5, 'ranking "r1" was there before; the rows of a ranking follow each other'],
  ]);
});

Deno.test("rows from a time on are left out and are not refused", async () => {
  const text = "user,item,time\nu,a,10\n,b,20\nu,c,30\n";
  const { history, refused } = await readText("e.csv", text, "events", { untilMs: 20_000 });
  assert.equal(history.events, 1);
  assert.deepEqual(refused, []);
});

Deno.test("items keep the attributes that features read", async () => {
  const text = "sku,price,words,colour\np1,2.5,red|cup,blue\np2,,,\n";
  const { history } = await readText("items.csv", text, "items");
  assert.deepEqual([...history.profiles.item], [
    ["p1", { price: 2.5, words: ["red", "cup"] }],
    ["p2", {}],
  ]);
});

Deno.test("a row with several faults is refused once", async () => {
  const { refused } = await readText("e.csv", 'user,item,time\nu,3" x 4" mat,10\n', "events");
  assert.deepEqual(refused.map(([line]) => line), [2]);
});

Deno.test("items of a ranking are told apart by the typed text", async () => {
  const text = 'ranking,user,items,time\nr1,u,"a, b,c|d",10\n';
  const { history } = await readText("s.csv", text, "impressions", { separators: { items: "," } });
  assert.deepEqual(history.rankings[0].items, ["a", "b", "c|d"]);
});

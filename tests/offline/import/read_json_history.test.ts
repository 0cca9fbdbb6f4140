/** Histories in JSON Lines. */
import assert from "node:assert/strict";
import { readText } from "./read_text.ts";

Deno.test("JSON Lines hold lists, numbers as ids, and lines that are no objects", async () => {
  const lines = [
    { rankingId: "r1", user: 7, items: ["a", "b", "a"], time: 1714550400 },
    "nonsense",
    { rankingId: "r2", user: "u", items: [], time: 1714550400 },
  ].map((line) => JSON.stringify(line));
  const { history, refused } = await readText("shown.jsonl", lines.join("\n"), "impressions");
  assert.deepEqual(history.rankings, [
    { ranking: "r1", user: "7", atMs: 1714550400_000, items: ["a", "b"] },
  ]);
  assert.ok(history.shows("r1", "b") && !history.shows("r1", "c"));
  assert.deepEqual(refused, [
    [2, "the line is not a JSON object"],
    [3, "the list of items is empty"],
  ]);
});

Deno.test("ids of 64 bits in JSON keep all their digits", async () => {
  const text = [1152921504606846977n, -1152921504606846978n, "x1152921504606846977"].map((user) =>
    `{"user":${typeof user === "string" ? `"${user}"` : user},"item":12345678901234567890,"time":1}`
  ).join("\n");
  const { history } = await readText("e.jsonl", text, "events");
  assert.deepEqual([0, 1, 2].map((i) => history.event(i).user), [
    "1152921504606846977",
    "-1152921504606846978",
    "x1152921504606846977",
  ]);
  assert.equal(history.event(0).item, "12345678901234567890");
  const rounded = '{"user":1,"item":2,"time":1,"price":0.12345678901234567,"quantity":1.0e16}';
  const { history: numbers } = await readText("e.jsonl", rounded, "events");
  assert.equal(numbers.event(0).value, 1e16);
  assert.deepEqual(numbers.event(0).itemFields, { price: 0.12345678901234566 });
});

Deno.test("a JSON list, or an object on several lines, is no JSON Lines", async () => {
  const rows = [{ user: "u", item: "a" }, { user: "u", item: "b" }];
  for (const text of [JSON.stringify(rows), JSON.stringify(rows, null, 2)]) {
    await assert.rejects(
      readText("e.json", text, "events"),
      /no line holds .* a list\? .*jq -c '\.\[\]'/,
    );
  }
  const long = `[${" ".repeat(4 * 1024 * 1024)}{}]`;
  await assert.rejects(
    readText("e.json", long, "events"),
    /longer than .* a list\? .*jq -c '\.\[\]'/,
  );
});

Deno.test("each item of a list of objects is a row, with an id of its own", async () => {
  const lines = [
    {
      user_pseudo_id: "u",
      event_timestamp: "1714550400000000",
      event_name: "purchase",
      event_id: "e1",
      items: [{ item_id: "a", price: 2.5, quantity: "2" }, { item_id: "b", price: 3 }],
    },
    { user_pseudo_id: "u", event_timestamp: "1714550400000000", event_name: "open", items: [] },
  ];
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  const { history, refused } = await readText("ga4.json", text, "events");
  assert.deepEqual(
    Array.from({ length: history.events }, (_, i) => {
      const { item, itemFields, eventId, action, value } = history.event(i);
      return { item, itemFields, eventId, action, value };
    }),
    [
      { item: "a", itemFields: { price: 2.5 }, eventId: "e1", action: "purchase", value: 2 },
      { item: "b", itemFields: { price: 3 }, eventId: "e1/1", action: "purchase", value: NaN },
    ],
  );
  assert.deepEqual(refused, [[2, "column items.item_id has no item"]]);
  const nested = {
    userId: "u",
    timestamp: 1714550400,
    properties: { products: [{ sku: "a" }, { sku: "b" }] },
  };
  const segment = await readText("s.jsonl", JSON.stringify(nested), "events");
  assert.deepEqual([0, 1].map((i) => segment.history.event(i).item), ["a", "b"]);
});

Deno.test("a list of named values has a column for each name", async () => {
  const row = (params: unknown) =>
    JSON.stringify({ user_pseudo_id: "u", event_timestamp: 1714550400, event_params: params });
  const text = [
    row([
      { key: "item_id", value: { string_value: "a", int_value: null } },
      { key: "session", value: { int_value: "7" } },
    ]),
    row([]),
    row([{ key: "item_id", value: { string_value: "b" } }]),
  ].join("\n");
  const targets = { "event_params.session": "visit" };
  const { history, refused } = await readText("ga4.json", text, "events", { targets });
  assert.deepEqual([0, 1].map((i) => history.event(i).item), ["a", "b"]);
  assert.deepEqual([0, 1].map((i) => history.event(i).visit), ["7", undefined]);
  assert.deepEqual(refused, [[2, "column event_params.item_id has no item"]]);
});

Deno.test("fields within objects are columns, and MongoDB's types are read as their values", async () => {
  const lines = [
    {
      userId: "u",
      occurredAt: { $date: "2024-05-01T08:26:10Z" },
      type: "track",
      properties: { product_id: { $oid: "65f0" }, price: { $numberDecimal: "2.5" }, words: ["a"] },
    },
    { userId: "u", occurredAt: { $date: { $numberLong: "1714551970000" } }, properties: {} },
  ].map((line) => JSON.stringify(line)).join("\n");
  const { history, refused } = await readText("events.jsonl", lines, "events");
  assert.deepEqual(history.event(0), {
    user: "u",
    item: "65f0",
    action: "track",
    value: NaN,
    atMs: Date.parse("2024-05-01T08:26:10Z"),
    itemFields: { price: 2.5, words: ["a"] },
  });
  assert.deepEqual(refused, [[2, "column properties.product_id has no item"]]);
});

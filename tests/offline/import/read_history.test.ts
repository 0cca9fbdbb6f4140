import assert from "node:assert/strict";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { bundledFile } from "../../../cli/options.ts";
import { formatOf, openFileRows } from "../../../offline/import/file_rows.ts";
import type { DecimalSign } from "../../../offline/datasets/numbers.ts";
import { History } from "../../../offline/import/history.ts";
import { proposeMapping } from "../../../offline/import/mapping.ts";
import { readHistory } from "../../../offline/import/read_history.ts";
import type { FileContent } from "../../../offline/import/roles.ts";

const { features: { schema }, gateway } = await loadConfiguration(
  bundledFile("examples/shop.yaml"),
  { assignments: ["attributes.item={ stock: number, brand: text, sold: boolean }"] },
);
const declared = gateway.attributeTypes;
const LATEST_MS = Date.parse("2026-01-01T00:00:00Z");

/** Reads a file with this text; `refused` has line and reason of each refused row. */
async function read(
  name: string,
  text: string | Uint8Array<ArrayBuffer>,
  content: FileContent,
  { untilMs = Infinity, targets = {}, separators = {}, decimal }: {
    untilMs?: number;
    targets?: Record<string, string>;
    separators?: Record<string, string>;
    decimal?: DecimalSign;
  } = {},
) {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/${name}`;
  try {
    const bytes = new Blob([text]).stream();
    const packed = name.endsWith(".gz") ? bytes.pipeThrough(new CompressionStream("gzip")) : bytes;
    await Deno.writeFile(file, packed);
    const rows = await openFileRows(file, formatOf(file));
    const typed = {
      targets: new Map(Object.entries(targets)),
      separators: new Map(Object.entries(separators)),
    };
    const mapping = proposeMapping({
      file,
      content,
      columns: rows.columns,
      schema,
      declared,
      typed,
    });
    const history = new History();
    const refused: [number, string][] = [];
    const { added, warning } = await readHistory(history, rows.rows(), {
      content,
      mapping,
      action: "purchase",
      times: {},
      ...(decimal !== undefined && { decimal }),
      latestMs: LATEST_MS,
      untilMs,
      valueRanges: { rating: { min: 1, max: 5 } },
      refuse: (line, reason) => refused.push([line, reason]),
    });
    return { history, refused, added, warning };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("events are read from a packed CSV with quotes, and whole numbers lose their decimals", async () => {
  const { history, refused } = await read(
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
  const { history, refused } = await read(
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
  const { history, refused, added } = await read(
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

Deno.test("amounts are read without their currency; a decimal comma needs the option", async () => {
  const text =
    'user,item,time,qty,price\nu,a,10,1,$3.50\nu,b,10,2,"3,50 €"\nu,c,10,"1,234",1\nu,d,10,2,"1,234.50"\n';
  const { history, refused } = await read("e.csv", text, "events");
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
  const typed = await read("e.csv", byComma, "events", { decimal: "," });
  assert.equal(typed.history.event(0).value, 1.5);
  assert.deepEqual(typed.history.event(0).itemFields, { price: 1234.5 });
  assert.deepEqual(typed.refused, [[3, 'the value is "1.5", expected a number']]);
});

Deno.test("JSON Lines hold lists, numbers as ids, and lines that are no objects", async () => {
  const lines = [
    { rankingId: "r1", user: 7, items: ["a", "b", "a"], time: 1714550400 },
    "nonsense",
    { rankingId: "r2", user: "u", items: [], time: 1714550400 },
  ].map((line) => JSON.stringify(line));
  const { history, refused } = await read("shown.jsonl", lines.join("\n"), "impressions");
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
  const { history } = await read("e.jsonl", text, "events");
  assert.deepEqual([0, 1, 2].map((i) => history.event(i).user), [
    "1152921504606846977",
    "-1152921504606846978",
    "x1152921504606846977",
  ]);
  assert.equal(history.event(0).item, "12345678901234567890");
  const rounded = '{"user":1,"item":2,"time":1,"price":0.12345678901234567,"quantity":1.0e16}';
  const { history: numbers } = await read("e.jsonl", rounded, "events");
  assert.equal(numbers.event(0).value, 1e16);
  assert.deepEqual(numbers.event(0).itemFields, { price: 0.12345678901234566 });
});

Deno.test("neighbouring rows of one ranking are one ranking; rows apart are refused", async () => {
  const { history, refused } = await read(
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
  const { history, refused } = await read("e.csv", text, "events", { untilMs: 20_000 });
  assert.equal(history.events, 1);
  assert.deepEqual(refused, []);
});

Deno.test("items keep the attributes that features read", async () => {
  const text = "sku,price,words,colour\np1,2.5,red|cup,blue\np2,,,\n";
  const { history } = await read("items.csv", text, "items");
  assert.deepEqual([...history.profiles.item], [
    ["p1", { price: 2.5, words: ["red", "cup"] }],
    ["p2", {}],
  ]);
});

Deno.test("a broken row before the others does not hide the header, and is refused", async () => {
  const text = 'user,item,time\nu,12" ruler,10\nu,b,20\n';
  const { history, refused } = await read("e.csv", text, "events");
  assert.equal(history.events, 1);
  assert.deepEqual(refused.map(([line]) => line), [2]);
  await assert.rejects(
    read("e.csv", 'user,12" item,time\nu,b,20\n', "events"),
    /e\.csv:1: the header is broken: Invalid Opening Quote.*\.$/,
  );
});

Deno.test("an archive or a workbook is refused as no text", async () => {
  await assert.rejects(
    read("e.csv", "PK\x03\x04\x14\0\b\0", "events"),
    /e\.csv:1: the header is no text/,
  );
});

Deno.test("a header in one piece, or of values, says which option reads it", async () => {
  await assert.rejects(
    read("e.csv", 'user;item;time\nu;"b";20\n', "events"),
    /called like the user or the item \(its columns are user;item;time\).*say --delimiter ';'\.$/,
  );
  await assert.rejects(read("e.csv", "u1,b,20\nu2,c,30\n", "events"), /name the columns: --header/);
});

Deno.test("gzip and UTF-16 are known by the first bytes, whatever the name of the file", async () => {
  const text = "user,item,time\nä,浴室,10\n";
  const utf16 = new Uint8Array(Uint16Array.from("\ufeff" + text, (c) => c.charCodeAt(0)).buffer);
  const packed = async (text: string) =>
    await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip")))
      .bytes();
  const inTwoMembers = [await packed(text.slice(0, 20)), await packed(text.slice(20))];
  const joined = Uint8Array.from(inTwoMembers.flatMap((bytes) => [...bytes]));
  for (const bytes of [utf16, await packed(text), joined]) {
    const { history, refused } = await read("e.csv", bytes, "events");
    assert.deepEqual(refused, []);
    assert.equal(history.event(0).user, "ä");
    assert.equal(history.event(0).item, "浴室");
  }
});

Deno.test("a folder, or a pipe that would lose its first rows, is refused", async () => {
  await assert.rejects(openFileRows("/tmp", { kind: "csv" }), /\/tmp: it is a folder; name a file/);
  await assert.rejects(
    openFileRows("/dev/null", { kind: "csv" }),
    /\/dev\/null: it is a pipe or a device\. .* Write it to disk/,
  );
});

Deno.test("blanks around the cells of a table belong to no value", async () => {
  const text =
    'user, item, time, country\nu, "a", 10, UK\nNULL  ,b ,20 ,\nu,"NULL ",30,\nu,b,40, "UK" \n';
  const { history, refused } = await read("e.csv", text, "events");
  assert.deepEqual(
    [0, 1].map((i) => history.event(i)),
    ["a", "b"].map((item, i) => ({
      user: "u",
      item,
      action: "purchase",
      value: NaN,
      atMs: [10_000, 40_000][i],
      userFields: { country: "UK" },
    })),
  );
  assert.deepEqual(refused, [[3, "column user has no user"], [4, "column item has no item"]]);
  const shown = await read("s.csv", "ranking,user,items,time\nr,u,a | NULL,10\n", "impressions");
  assert.deepEqual(shown.refused, [[2, "column items has no item"]]);
});

Deno.test("the header may end in another way than the rows", async () => {
  for (const [first, others] of [["\r\n", "\n"], ["\n", "\r\n"], ["\r", "\r"]]) {
    const text = [
      "user,item,time,country",
      ...["u,a,10,UK", 'u,"b\nc",20,UK', "u,d,30,UK", ""]
        .join(others),
    ].join("");
    const { history } = await read("e.csv", text.replace("country", `country${first}`), "events");
    assert.deepEqual([0, 1].map((i) => history.event(i).item), ["a", "d"]);
    assert.deepEqual(history.event(0).userFields, { country: "UK" });
  }
});

Deno.test("a quote between tabs is part of a title, unless the header is quoted", async () => {
  const plain = await read("e.tsv", 'user\titem\tcountry\nu\ta"b\t"UK"\n', "events");
  assert.equal(plain.history.event(0).item, 'a"b');
  assert.deepEqual(plain.history.event(0).userFields, { country: '"UK"' });
  // As R's write.table has it: texts are quoted, numbers are not.
  const text = '"user"\t"item"\t"time"\t"country"\n"u"\t"a""b"\t10\t"UK\tGB"\n';
  const { history, refused } = await read("e.tsv", text, "events");
  assert.deepEqual(refused, []);
  assert.deepEqual(history.event(0), {
    user: "u",
    item: 'a"b',
    action: "purchase",
    value: NaN,
    atMs: 10_000,
    userFields: { country: "UK\tGB" },
  });
});

Deno.test("a row with several faults is refused once", async () => {
  const { refused } = await read("e.csv", 'user,item,time\nu,3" x 4" mat,10\n', "events");
  assert.deepEqual(refused.map(([line]) => line), [2]);
});

Deno.test("a quote that is not closed is found by the line before it", async () => {
  const text =
    'user,item,time,note\nu,a,10,5" mat\nu,a,10,"two\nlines"\nu,a,10,"open\nu,b,20,x\nu,c,30,x\n';
  const { history, refused } = await read("e.csv", text, "events");
  assert.equal(history.events, 1);
  assert.deepEqual(refused.map(([line]) => line), [2, 7]);
  assert.match(
    refused[1][1],
    /^a quote after line 4 is not closed, so no row from there to line 7 /,
  );
});

Deno.test("a time before 1970, such as the one of an unknown time, is refused", async () => {
  const text = "user,item,time\nu,a,1900-01-01 00:00:00.000\nu,b,-62135596800\nu,c,0\n";
  const { history, refused } = await read("e.csv", text, "events");
  assert.equal(history.events, 1);
  assert.deepEqual(refused, [
    [2, 'the time "1900-01-01 00:00:00.000" is before 1970'],
    [3, 'the time "-62135596800" is before 1970'],
  ]);
});

Deno.test("a time of day is of the day in another column", async () => {
  const text = [
    "user,item,Date,Time",
    "u,a,2024-05-01,08:26:10",
    "u,b,2024-05-01 00:00:00,8:26",
    "u,c,01.05.2024,8:26 pm",
    "u,d,2024-05-01,",
    "u,e,,2024-05-01 08:26",
    "u,f,,08:26",
    "",
  ].join("\n");
  const { history, refused } = await read("e.csv", text, "events");
  assert.deepEqual(
    Array.from(
      { length: history.events },
      (_, i) => new Date(history.event(i).atMs).toISOString().slice(0, 19),
    ),
    [
      "2024-05-01T08:26:10",
      "2024-05-01T08:26:00",
      "2024-05-01T20:26:00",
      "2024-05-01T00:00:00",
      "2024-05-01T08:26:00",
    ],
  );
  assert.deepEqual(refused, [
    [
      7,
      "the time is \"08:26\", which is of no day: name the column of the day by --map '<column>=day'",
    ],
  ]);
});

Deno.test("times before all histories are warned of, with the newest and its likely meaning", async () => {
  const warningOf = async (...times: string[]) =>
    (await read(
      "e.csv",
      ["user,item,time", ...times.map((time) => `u,a,${time}`), ""].join("\n"),
      "events",
    ))
      .warning;
  assert.equal(
    await warningOf("45412", "45413.5"),
    'warning: all times are before 1997: column time is "45413.5" at most, read as ' +
      "1970-01-01T12:36:53.500Z. As days since 1899-12-30, as spreadsheets count, it would be " +
      "2024-05-01T12:00:00.000Z. Windows, features of the time and counts mean nothing by them; write " +
      "Unix seconds, Unix ms or a date such as 2024-05-01T12:00:00Z.",
  );
  assert.match(await warningOf("3", "711"), /column time is "711" at most, read as \S+Z\. Windows/);
  assert.equal(await warningOf("45413.5", "1714550400"), "");
  const ofBrowser = await read("e.csv", "user,item,time\nu,a,13359024000000000\n", "events");
  assert.deepEqual(ofBrowser.refused, [
    [
      2,
      'the time "13359024000000000" is in the future, unless it is µs since 1601-01-01, as browsers ' +
      "count; write Unix seconds, Unix ms or a date such as 2024-05-01T12:00:00Z",
    ],
  ]);
});

Deno.test("an event counts once; a date without an order of day and month names the option", async () => {
  const text = "user,item,time,event_id\nu,a,10,e1\nu,b,20,e1\nu,c,30,\nu,d,40,\nu,e,1/2/2024,e2\n";
  const { history, refused } = await read("e.csv", text, "events");
  assert.equal(history.events, 3);
  assert.deepEqual(refused, [
    [3, 'event "e1" was there before; an event counts once'],
    [
      6,
      'the time is "1/2/2024", which may name the day or the month first: ' +
      "say --dates day/month/year or --dates month/day/year",
    ],
  ]);
});

Deno.test("the texts of an absent value are no ids, no values and no attributes", async () => {
  const text =
    "user,item,time,qty,price,words\nu,a,10,NULL,nan,\\N\nNULL,b,20,1,2,x\nu,None,30,1,2,x\n";
  const { history, refused } = await read("e.csv", text, "events");
  assert.deepEqual(history.event(0), {
    user: "u",
    item: "a",
    action: "purchase",
    value: NaN,
    atMs: 10_000,
  });
  assert.deepEqual(refused, [[3, "column user has no user"], [4, "column item has no item"]]);
  const shown = await read(
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

Deno.test("text in another encoding is refused where it would be an id or an attribute", async () => {
  const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const text = "user,item,time,words,note\nu,Tür,10,a,x\nu,b,20,rot|grün,x\nu,c,30,a,für\n";
  const { history, refused } = await read("e.csv", latin1(text), "events");
  assert.equal(history.events, 1);
  const cure = "whose bytes are not UTF-8; convert the file, for example by " +
    "iconv -f WINDOWS-1252 -t UTF-8";
  assert.deepEqual(refused, [
    [2, `the item is "T\ufffdr", ${cure}`],
    [3, `column words is "gr\ufffdn", ${cure}`],
  ]);
});

Deno.test("a JSON list, or an object on several lines, is no JSON Lines", async () => {
  const rows = [{ user: "u", item: "a" }, { user: "u", item: "b" }];
  for (const text of [JSON.stringify(rows), JSON.stringify(rows, null, 2)]) {
    await assert.rejects(
      read("e.json", text, "events"),
      /no line holds .* a list\? .*jq -c '\.\[\]'/,
    );
  }
  const long = `[${" ".repeat(4 * 1024 * 1024)}{}]`;
  await assert.rejects(read("e.json", long, "events"), /longer than .* a list\? .*jq -c '\.\[\]'/);
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
  const { history, refused } = await read("ga4.json", text, "events");
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
  const segment = await read("s.jsonl", JSON.stringify(nested), "events");
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
  const { history, refused } = await read("ga4.json", text, "events", { targets });
  assert.deepEqual([0, 1].map((i) => history.event(i).item), ["a", "b"]);
  assert.deepEqual([0, 1].map((i) => history.event(i).visit), ["7", undefined]);
  assert.deepEqual(refused, [[2, "column event_params.item_id has no item"]]);
});

Deno.test("a list in a table is JSON or has | between its values", async () => {
  const text =
    'ranking,user,items,time\nr1,u,"[""a"", 7]",10\nr2,u,a|b,20\nr3,u,"[\'a\', \'b\']",30\nr4,u,[],40\n';
  const { history, refused } = await read("shown.csv", text, "impressions");
  assert.deepEqual(history.rankings.map(({ items }) => items), [["a", "7"], ["a", "b"]]);
  assert.deepEqual(refused, [
    [
      4,
      'the item is "[\'a\', \'b\']", which is no list of JSON; write ["a", "b"], or the values between |',
    ],
    [5, "the list of items is empty"],
  ]);
  const events = await read("e.csv", 'user,item,time\nu,"[""a"", 7]",10\n', "events");
  assert.deepEqual(events.refused, [[2, "the item is a list; write a row for each item"]]);
  const items = await read(
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
  const { history } = await read("items.csv", ["id,words,sold", ...lines, ""].join("\n"), "items");
  assert.deepEqual([...history.profiles.item.values()], [
    { words: ["red", 'two, "words"'], sold: true },
    { words: [], sold: false },
    { words: ["red"], sold: true },
    { words: ["{red,}"], sold: false },
    { words: ['{"a":1}'], sold: true },
  ]);
});

Deno.test("a row with a name that R wrote says how to leave it out", async () => {
  const { refused } = await read("e.tsv", '"user"\t"item"\n"1"\t"u"\t"a"\n', "events");
  assert.deepEqual(refused, [
    [
      2,
      "the row has 3 cells, and there are 2 columns; if the first is a row name of R, write " +
      "row.names = FALSE",
    ],
  ]);
});

Deno.test("an absent value in a list is no text", async () => {
  const lines = [{ sku: "p1", words: ["red", null, "", 7, { a: 1 }] }, {
    sku: "p2",
    words: [null],
  }];
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  const { history } = await read("items.jsonl", text, "items");
  assert.deepEqual([...history.profiles.item.values()], [
    { words: ["red", "7", '{"a":1}'] },
    { words: [] },
  ]);
  const table = await read("items.csv", "sku,words\np1,red| NULL |cup\n", "items");
  assert.deepEqual(table.history.profiles.item.get("p1"), { words: ["red", "cup"] });
});

Deno.test("items of a ranking are told apart by the typed text", async () => {
  const text = 'ranking,user,items,time\nr1,u,"a, b,c|d",10\n';
  const { history } = await read("s.csv", text, "impressions", { separators: { items: "," } });
  assert.deepEqual(history.rankings[0].items, ["a", "b", "c|d"]);
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
  const { history, refused } = await read("events.jsonl", lines, "events");
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

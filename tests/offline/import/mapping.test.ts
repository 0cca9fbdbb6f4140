import assert from "node:assert/strict";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { bundledFile } from "../../../cli/options.ts";
import {
  describeMapping,
  type MappedColumn,
  proposeMapping,
} from "../../../offline/import/mapping.ts";
import type { FileContent } from "../../../offline/import/roles.ts";

const { features: { schema }, gateway } = await loadConfiguration(
  bundledFile("examples/shop.yaml"),
  { assignments: ["attributes.item={ stock: number, brand: text, sold: boolean }"] },
);
const declared = gateway.attributeTypes;

function map(
  content: FileContent,
  columns: readonly string[],
  targets: Record<string, string> = {},
  separators: Record<string, string> = {},
): MappedColumn[] {
  const typed = {
    targets: new Map(Object.entries(targets)),
    separators: new Map(Object.entries(separators)),
  };
  return proposeMapping({ file: "f.csv", content, columns, schema, declared, typed });
}

function meanings(mapping: readonly MappedColumn[]): string[] {
  return mapping.map(({ target }) =>
    target.kind === "role"
      ? target.role
      : target.kind === "ignored"
      ? "ignored"
      : `${target.source}.${target.attribute}:${target.type}`
  );
}

Deno.test("columns get roles and attributes by their names", () => {
  const columns = ["Customer ID", "StockCode", "InvoiceDate", "Qty", "Country", "Price", "Note"];
  assert.deepEqual(
    meanings(map("events", columns)),
    ["user", "item", "time", "value", "user.country:text", "item.price:number", "ignored"],
  );
  assert.deepEqual(meanings(map("items", ["sku", "price", "words"])), [
    "id",
    "item.price:number",
    "item.words:list",
  ]);
  for (const items of ["items", "item_ids", "productIds"]) {
    assert.deepEqual(meanings(map("impressions", ["ranking_id", "user", items, "at"])), [
      "ranking",
      "user",
      "item",
      "time",
    ]);
  }
});

Deno.test("attributes that only rules read keep their declared types", () => {
  const mapping = map("items", ["sku", "stock", "brand", "sold"]);
  assert.deepEqual(
    meanings(mapping),
    ["id", "item.stock:number", "item.brand:text", "item.sold:boolean"],
  );
  assert.equal(mapping[1].because, "rules read item.stock as a number");
  assert.equal(meanings(map("items", ["sku", "n"], { n: "item.stock" }))[1], "item.stock:number");
});

Deno.test("a meaning has one column: the typed one, else the one with the whole path", () => {
  assert.deepEqual(
    meanings(map("items", ["sku", "price", "cost", "item.words", "words"], { cost: "item.price" })),
    ["id", "ignored", "item.price:number", "item.words:list", "ignored"],
  );
  assert.equal(
    map("items", ["sku", "words", "item.words"])[1].because,
    "item.words is column item.words",
  );
  for (const meaning of ["user", "item.price"]) {
    assert.throws(
      () => map("events", ["user", "item", "a", "b"], { a: meaning, b: meaning }),
      /f\.csv: --map gives columns "a" and "b" the same meaning\.$/,
    );
  }
  assert.deepEqual(
    meanings(map("events", ["user", "item", "ts", "time"], { ts: "ignore", time: "ignore" })),
    ["user", "item", "ignored", "ignored"],
  );
});

Deno.test("a typed meaning is for the files that may have it", () => {
  const files = [
    { content: "items", columns: ["artno", "kind", "price"] },
    { content: "events", columns: ["user", "artno", "kind", "cost"] },
  ] as const;
  const targets = { artno: "item", kind: "action", cost: "item.price" };
  const typed = { targets: new Map(Object.entries(targets)), separators: new Map() };
  assert.deepEqual(
    files.map((each) =>
      meanings(proposeMapping({ file: "f", ...each, schema, declared, typed, files }))
    ),
    [["id", "ignored", "item.price:number"], ["user", "item", "action", "item.price:number"]],
  );
});

Deno.test("a typed meaning precedes names, and frees the role for another column", () => {
  const columns = ["user", "account", "item", "title"];
  const typed = { account: "user", user: "ignore", title: "item.words" };
  const mapping = map("events", columns, typed, { title: " " });
  assert.deepEqual(meanings(mapping), ["ignored", "user", "item", "item.words:list"]);
  assert.equal(mapping[3].separator, " ");
});

Deno.test("the description has a line per column with its reason", () => {
  const lines = describeMapping(
    "events",
    map("events", ["user", "time", "item", "x"], { x: "item.colour" }),
  ).trimEnd().split("\n");
  assert.equal(lines.length, 4);
  assert.match(lines[0], /^ {2}user +the user +\(by its name\)$/);
  assert.match(lines[3], /item\.colour +\(as --map says\)$/);
});

Deno.test("the description says at which text a list is split", () => {
  const columns = ["ranking", "user", "items", "words"];
  const mapping = map("impressions", columns, { words: "context.words" }, { items: "," });
  assert.match(describeMapping("impressions", mapping), /^ {2}items +the item, split at "," /m);
  assert.match(describeMapping("items", map("items", ["sku", "words"])), /words, split at "\|" /);
});

Deno.test("the id of a file of users or items is not that of the other", () => {
  assert.equal(meanings(map("users", ["customer_id", "country"]))[0], "id");
  assert.equal(meanings(map("items", ["user", "sku"]))[1], "id");
  assert.throws(() => map("users", ["product_id", "country"]), /called like the id/);
  assert.throws(() => map("items", ["customer_id", "price"]), /called like the id/);
});

Deno.test("a missing role and an unknown meaning are errors that say the cure", () => {
  assert.throws(() => map("events", ["who", "item"]), {
    message:
      "Cannot read f.csv:1: no column is called like the user (its columns are who, item); name it: " +
      "--map '<column>=user'.",
  });
  assert.throws(() => map("events", ["Order ID", "Email (Billing)", "Item name", "Date"]), {
    message:
      "Cannot read f.csv:1: no column is called like the user or the item (its columns are " +
      "Order ID, Email (Billing), Item name, Date); name them: --map 'Email (Billing)=user' " +
      "--map 'Item name=item'.",
  });
  assert.throws(() => map("items", ["id", "x"], { x: "user.age" }), {
    message: /"user.age" is not a meaning of column "x" in a file of items; write one of id, item/,
  });
});

Deno.test("the time is found by the last word of a name of an action, where it is the only one", () => {
  const names = [
    "event_time",
    "Ordered At",
    "purchaseTs",
    "created_at_ms",
    "order-date",
    "unix_time",
    "order_date_time",
  ];
  for (const name of [...names, "order_purchase_timestamp"]) {
    assert.deepEqual(meanings(map("events", ["user", "item", name])), ["user", "item", "time"]);
  }
  for (const name of ["birth_date", "release_date", "delivery_at", "item.created_at"]) {
    const mapping = map("events", ["user", "item", name]);
    assert.equal(meanings(mapping)[2], "ignored", name);
    assert.match(describeMapping("events", mapping), new RegExp(`${name} may be it`));
  }
  assert.equal(meanings(map("events", ["user", "item", "shipped_at", "ordered_at"]))[3], "time");
  const columns = ["user", "item", "seat", "format", "update", "lifetime"];
  assert.ok(!meanings(map("events", columns)).includes("time"));
  assert.deepEqual(meanings(map("events", ["user", "item", "ship_date", "return_date"])), [
    "user",
    "item",
    "ignored",
    "ignored",
  ]);
  assert.equal(meanings(map("events", ["user", "item", "ship_date", "createdat"]))[3], "time");
});

Deno.test("a day and a time of day in two columns are the time", () => {
  for (
    const [day, time] of [["Date", "Time"], ["Order Date", "Order Time"], [
      "event_date",
      "event_time",
    ]]
  ) {
    assert.deepEqual(
      meanings(map("events", ["user", "item", day, time])),
      ["user", "item", "day", "time"],
    );
  }
  const others = ["date", "timestamp"];
  assert.deepEqual(meanings(map("events", ["user", "item", ...others])).slice(2), [
    "ignored",
    "time",
  ]);
  const typed = { d: "day", t: "time" };
  assert.deepEqual(meanings(map("events", ["user", "item", "d", "t"], typed)).slice(2), [
    "day",
    "time",
  ]);
});

Deno.test("a field of an object is a user, item, time or event id, and never the action", () => {
  const columns = ["device.type", "item.rating", "a.user_id", "b.sku", "c.timestamp", "d.event_id"];
  assert.deepEqual(
    meanings(map("events", columns)),
    ["ignored", "ignored", "user", "item", "time", "event"],
  );
  assert.deepEqual(
    meanings(map("events", ["p.user_id", "p.sku", "user", "item", "item.timestamp"])),
    ["ignored", "ignored", "user", "item", "ignored"],
  );
  assert.deepEqual(
    meanings(map("events", ["user", "item", "brand.created_at", "a.timestamp", "b.timestamp"])),
    ["user", "item", "ignored", "ignored", "ignored"],
  );
  assert.throws(
    () => map("events", ["seller.user_id", "buyer.user_id", "item"]),
    /several columns are called like the user \(seller\.user_id, buyer\.user_id\); name it: --map 'seller\.user_id=user'/,
  );
});

Deno.test("an attribute is found by its path, else by the last part of only one column", () => {
  const attributesOf = (columns: string[], targets?: Record<string, string>) =>
    meanings(map("events", ["user", "item", ...columns], targets)).slice(2);
  assert.deepEqual(attributesOf(["shipping.price", "item.price"]), [
    "ignored",
    "item.price:number",
  ]);
  assert.deepEqual(attributesOf(["shipping.price"]), ["item.price:number"]);
  assert.deepEqual(attributesOf(["shipping.price", "list.price"]), ["ignored", "ignored"]);
  assert.deepEqual(attributesOf(["user.price"]), ["ignored"]);
  assert.deepEqual(
    attributesOf(["shipping.price", "cost"], { cost: "item.price" }),
    ["ignored", "item.price:number"],
  );
});

Deno.test("names in other letters than Latin ones are told apart", () => {
  const typed = { targets: new Map(), separators: new Map() };
  const item = { цена: "number", größe: "text" } as const;
  const mapping = proposeMapping({
    file: "f.csv",
    content: "items",
    columns: ["sku", "имя", "Цена", "gre", "Größe"],
    schema,
    declared: { ...declared, item },
    typed,
  });
  assert.deepEqual(
    meanings(mapping),
    ["id", "ignored", "item.цена:number", "ignored", "item.größe:text"],
  );
});

Deno.test("of two usual names, the more specific one has the role", () => {
  assert.deepEqual(
    meanings(map("events", ["type", "client", "at", "user_id", "item", "event_type", "timestamp"])),
    ["ignored", "ignored", "ignored", "user", "item", "action", "time"],
  );
});

Deno.test("lists of items are those of rankings; an event is of one item", () => {
  assert.throws(
    () => map("events", ["user", "item_ids", "at"]),
    /called like the item .* write a row for each item\.$/,
  );
});

Deno.test("the order lines of shop systems are known, but for the user", () => {
  const typed = { Email: "user" };
  const shopify = [
    "Name",
    "Email",
    "Created at",
    "Lineitem quantity",
    "Lineitem name",
    "Lineitem sku",
  ];
  assert.deepEqual(
    meanings(map("events", shopify, typed)),
    ["ignored", "user", "time", "value", "ignored", "item"],
  );
  const wooCommerce = [
    "Order Number",
    "Order Date",
    "Email",
    "SKU",
    "Item Name",
    "Quantity (- Refund)",
  ];
  assert.deepEqual(
    meanings(map("events", wooCommerce, typed)),
    ["visit", "time", "user", "item", "ignored", "value"],
  );
  const ofApi = ["customer_id", "date_created", "date_created_gmt", "line_items.product_id"];
  assert.deepEqual(meanings(map("events", ofApi)), ["user", "ignored", "time", "item"]);
});

Deno.test("a file of events without a time says so, and which column may be it", () => {
  const describe = (content: FileContent, columns: string[]) =>
    describeMapping(content, map(content, columns));
  assert.match(
    describe("events", ["user", "item", "ship_date", "return_date"]),
    /warning: no column is the time.* ship_date or return_date may be it.*--map 'ship_date=time'/,
  );
  assert.match(describe("events", ["user", "item", "x"]), /warning: .*--map '<column>=time'/);
  assert.ok(!describe("items", ["sku", "price"]).includes("warning"));
  assert.ok(!describe("events", ["user", "item", "time"]).includes("warning"));
});

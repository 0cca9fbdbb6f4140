import assert from "node:assert/strict";
import { parquetWriteBuffer } from "hyparquet-writer";
import { openParquetRows } from "../../../offline/import/parquet_rows.ts";
import { formatOf, openFileRows } from "../../../offline/import/file_rows.ts";

type Columns = Parameters<typeof parquetWriteBuffer>[0]["columnData"];
type Schema = Parameters<typeof parquetWriteBuffer>[0]["schema"];

async function withFile(
  bytes: ArrayBuffer | Uint8Array,
  use: (file: string) => Promise<void>,
): Promise<void> {
  const file = await Deno.makeTempFile({ suffix: ".parquet" });
  try {
    await Deno.writeFile(file, new Uint8Array(bytes));
    await use(file);
  } finally {
    await Deno.remove(file);
  }
}

const rowsOf = async (file: string) => {
  const { columns, rows } = await openFileRows(file, formatOf(file));
  return { columns, rows: await Array.fromAsync(rows()) };
};

Deno.test("values of a Parquet file are read as JSON has them, with the numbers of their rows", async () => {
  const columnData: Columns = [
    { name: "user", data: ["ann", "bob"], type: "STRING" },
    { name: "item", data: [7n, 9_007_199_254_740_993n], type: "INT64" },
    { name: "price", data: [2.5, null], type: "DOUBLE" },
    { name: "sold", data: [true, false], type: "BOOLEAN" },
    { name: "at", data: [new Date(0), new Date(86_400_000)], type: "TIMESTAMP" },
    { name: "tags", data: [["a", "b"], []], type: "JSON" },
  ];
  await withFile(parquetWriteBuffer({ columnData }), async (file) => {
    assert.deepEqual(await rowsOf(file), {
      columns: ["user", "item", "price", "sold", "at", "tags"],
      rows: [
        { line: 1, cells: ["ann", 7, 2.5, true, "1970-01-01T00:00:00.000Z", ["a", "b"]] },
        {
          line: 2,
          cells: ["bob", "9007199254740993", undefined, false, "1970-01-02T00:00:00.000Z", []],
        },
      ],
    });
  });
});

Deno.test("objects of Parquet are read as JSON has them, and a time beyond all dates as none", async () => {
  const columnData: Columns = [
    { name: "at", data: [9_223_372_036_854_775n, 0n] },
    { name: "item", data: [{ id: 9_007_199_254_740_993n }, { id: 7n }] },
  ];
  const schema: Schema = [
    { name: "root", num_children: 2 },
    {
      name: "at",
      type: "INT64",
      converted_type: "TIMESTAMP_MILLIS",
      repetition_type: "REQUIRED",
    },
    { name: "item", num_children: 1, repetition_type: "REQUIRED" },
    { name: "id", type: "INT64", repetition_type: "REQUIRED" },
  ];
  await withFile(parquetWriteBuffer({ columnData, schema }), async (file) => {
    assert.deepEqual(await rowsOf(file), {
      columns: ["at", "item.id"],
      rows: [
        { line: 1, cells: [undefined, "9007199254740993"] },
        { line: 2, cells: ["1970-01-01T00:00:00.000Z", 7] },
      ],
    });
  });
});

Deno.test("a field within a struct is a column, as it is in JSON", async () => {
  const items = [null, { id: "a", price: { amount: 2.5 } }, { id: "b", price: null }];
  const schema: Schema = [
    { name: "root", num_children: 2 },
    { name: "user", type: "INT32", repetition_type: "REQUIRED" },
    { name: "item", num_children: 2, repetition_type: "OPTIONAL" },
    { name: "id", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
    { name: "price", num_children: 1, repetition_type: "OPTIONAL" },
    { name: "amount", type: "DOUBLE", repetition_type: "OPTIONAL" },
  ];
  const users = Int32Array.of(1, 2, 3);
  const columnData: Columns = [{ name: "user", data: users }, { name: "item", data: items }];
  const expected = {
    columns: ["user", "item.id", "item.price.amount"],
    rows: [[1, undefined, undefined], [2, "a", 2.5], [3, "b", undefined]]
      .map((cells, i) => ({ line: i + 1, cells })),
  };
  await withFile(parquetWriteBuffer({ columnData, schema }), async (file) => {
    assert.deepEqual(await rowsOf(file), expected);
  });
  const lines = items.map((item, i) => JSON.stringify({ user: users[i], item })).join("\n");
  await withFile(new TextEncoder().encode(lines), async (file) => {
    const { columns, rows } = await openFileRows(file, { kind: "jsonl" });
    assert.deepEqual({ columns, rows: await Array.fromAsync(rows()) }, expected);
  });
});

Deno.test("a Parquet file without rows has the columns of its schema", async () => {
  const columnData: Columns = [{ name: "user", data: [], type: "STRING" }];
  await withFile(parquetWriteBuffer({ columnData }), async (file) => {
    assert.deepEqual(await rowsOf(file), { columns: ["user"], rows: [] });
  });
});

Deno.test("rows of many groups, larger than what is decoded at once, keep their order", async () => {
  const count = 130_000;
  const data = Int32Array.from({ length: count }, (_, i) => i);
  for (const rowGroupSize of [1_000, 60_000, count]) {
    const written = parquetWriteBuffer({
      columnData: [{ name: "n", data, type: "INT32" }],
      rowGroupSize,
    });
    await withFile(written, async (file) => {
      const { rows } = await rowsOf(file);
      assert.equal(rows.length, count);
      assert.ok(rows.every(({ line, cells }, i) => line === i + 1 && cells[0] === i));
    });
  }
});

Deno.test("a large row group of several pages is read once, lists included", async () => {
  const count = 200_000;
  const numbers = Int32Array.from({ length: count }, (_, i) => i * 7919 % count);
  const lists = Array.from(
    { length: count },
    (_, i) => i % 3 === 0 ? [] : [`tag ${i % 1000}`, "b"],
  );
  const columnData: Columns = [
    { name: "n", data: numbers, type: "INT32" },
    { name: "tags", data: lists, type: "JSON" },
  ];
  const bytes = parquetWriteBuffer({ columnData, rowGroupSize: count, pageSize: 1 << 16 });
  let read = 0;
  const { rows } = await openParquetRows("orders.parquet", () =>
    Promise.resolve({
      byteLength: bytes.byteLength,
      slice(start, end = bytes.byteLength) {
        read += end - start;
        return bytes.slice(start, end);
      },
    }));
  let next = 0;
  for await (const { line, cells } of rows()) {
    assert.equal(line, next + 1);
    assert.deepEqual(cells, [numbers[next], lists[next]]);
    next++;
  }
  assert.equal(next, count);
  assert.ok(read < 1.5 * bytes.byteLength + 1024 * 1024, `${read} of ${bytes.byteLength} bytes`);
});

Deno.test("a file that is no Parquet, cut or damaged is refused by its name", async () => {
  const columnData: Columns = [{ name: "user", data: ["ann", "bob", "ann"], type: "STRING" }];
  const whole = new Uint8Array(parquetWriteBuffer({ columnData }));
  await withFile(new TextEncoder().encode("user,item\nann,7\n"), async (file) => {
    await assert.rejects(
      rowsOf(file),
      (error: Error) => error.message.includes(file) && /is not a Parquet file/.test(error.message),
    );
  });
  await withFile(whole.slice(0, -9), async (file) => {
    await assert.rejects(rowsOf(file), /is not a Parquet file/);
  });
  // The page of the only column: its header claims other sizes.
  const damaged = whole.slice();
  damaged.fill(0xff, 4, 12);
  await withFile(damaged, async (file) => {
    await assert.rejects(rowsOf(file), /column "user" cannot be read/);
  });
  await assert.rejects(openFileRows("/nowhere.parquet", { kind: "parquet" }), /no such file/);
});

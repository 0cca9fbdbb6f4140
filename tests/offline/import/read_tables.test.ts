/** How a text is known and cut into rows and cells. */
import assert from "node:assert/strict";
import { openFileRows } from "../../../offline/import/file_rows.ts";
import { readText } from "./read_text.ts";

Deno.test("a broken row before the others does not hide the header, and is refused", async () => {
  const text = 'user,item,time\nu,12" ruler,10\nu,b,20\n';
  const { history, refused } = await readText("e.csv", text, "events");
  assert.equal(history.events, 1);
  assert.deepEqual(refused.map(([line]) => line), [2]);
  await assert.rejects(
    readText("e.csv", 'user,12" item,time\nu,b,20\n', "events"),
    /e\.csv:1: the header is broken: Invalid Opening Quote.*\.$/,
  );
});

Deno.test("an archive or a workbook is refused as no text", async () => {
  await assert.rejects(
    readText("e.csv", "PK\x03\x04\x14\0\b\0", "events"),
    /e\.csv:1: the header is no text/,
  );
});

Deno.test("a header in one piece, or of values, says which option reads it", async () => {
  await assert.rejects(
    readText("e.csv", 'user;item;time\nu;"b";20\n', "events"),
    /called like the user or the item \(its columns are user;item;time\).*say --delimiter ';'\.$/,
  );
  await assert.rejects(
    readText("e.csv", "u1,b,20\nu2,c,30\n", "events"),
    /name the columns: --header/,
  );
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
    const { history, refused } = await readText("e.csv", bytes, "events");
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
  const { history, refused } = await readText("e.csv", text, "events");
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
  const shown = await readText(
    "s.csv",
    "ranking,user,items,time\nr,u,a | NULL,10\n",
    "impressions",
  );
  assert.deepEqual(shown.refused, [[2, "column items has no item"]]);
});

Deno.test("the header may end in another way than the rows", async () => {
  for (const [first, others] of [["\r\n", "\n"], ["\n", "\r\n"], ["\r", "\r"]]) {
    const text = [
      "user,item,time,country",
      ...["u,a,10,UK", 'u,"b\nc",20,UK', "u,d,30,UK", ""]
        .join(others),
    ].join("");
    const { history } = await readText(
      "e.csv",
      text.replace("country", `country${first}`),
      "events",
    );
    assert.deepEqual([0, 1].map((i) => history.event(i).item), ["a", "d"]);
    assert.deepEqual(history.event(0).userFields, { country: "UK" });
  }
});

Deno.test("a quote between tabs is part of a title, unless the header is quoted", async () => {
  const plain = await readText("e.tsv", 'user\titem\tcountry\nu\ta"b\t"UK"\n', "events");
  assert.equal(plain.history.event(0).item, 'a"b');
  assert.deepEqual(plain.history.event(0).userFields, { country: '"UK"' });
  // As R's write.table has it: texts are quoted, numbers are not.
  const text = '"user"\t"item"\t"time"\t"country"\n"u"\t"a""b"\t10\t"UK\tGB"\n';
  const { history, refused } = await readText("e.tsv", text, "events");
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

Deno.test("a quote that is not closed is found by the line before it", async () => {
  const text =
    'user,item,time,note\nu,a,10,5" mat\nu,a,10,"two\nlines"\nu,a,10,"open\nu,b,20,x\nu,c,30,x\n';
  const { history, refused } = await readText("e.csv", text, "events");
  assert.equal(history.events, 1);
  assert.deepEqual(refused.map(([line]) => line), [2, 7]);
  assert.match(
    refused[1][1],
    /^a quote after line 4 is not closed, so no row from there to line 7 /,
  );
});

Deno.test("text in another encoding is refused where it would be an id or an attribute", async () => {
  const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const text = "user,item,time,words,note\nu,Tür,10,a,x\nu,b,20,rot|grün,x\nu,c,30,a,für\n";
  const { history, refused } = await readText("e.csv", latin1(text), "events");
  assert.equal(history.events, 1);
  const cure = "whose bytes are not UTF-8; convert the file, for example by " +
    "iconv -f WINDOWS-1252 -t UTF-8";
  assert.deepEqual(refused, [
    [2, `the item is "T\ufffdr", ${cure}`],
    [3, `column words is "gr\ufffdn", ${cure}`],
  ]);
});

Deno.test("a row with a name that R wrote says how to leave it out", async () => {
  const { refused } = await readText("e.tsv", '"user"\t"item"\n"1"\t"u"\t"a"\n', "events");
  assert.deepEqual(refused, [
    [
      2,
      "the row has 3 cells, and there are 2 columns; if the first is a row name of R, write " +
      "row.names = FALSE",
    ],
  ]);
});

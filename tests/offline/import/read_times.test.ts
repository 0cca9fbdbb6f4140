/** The times of events. */
import assert from "node:assert/strict";
import { readText } from "./read_text.ts";

Deno.test("a time before 1970, such as the one of an unknown time, is refused", async () => {
  const text = "user,item,time\nu,a,1900-01-01 00:00:00.000\nu,b,-62135596800\nu,c,0\n";
  const { history, refused } = await readText("e.csv", text, "events");
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
  const { history, refused } = await readText("e.csv", text, "events");
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
    (await readText(
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
  const ofBrowser = await readText("e.csv", "user,item,time\nu,a,13359024000000000\n", "events");
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
  const { history, refused } = await readText("e.csv", text, "events");
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

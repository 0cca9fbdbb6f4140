import assert from "node:assert/strict";
import {
  isZone,
  lacksZone,
  needsDateOrder,
  type TimeForms,
  timeMsOf,
} from "../../../offline/datasets/times.ts";

function iso(text: string, forms?: TimeForms): string | undefined {
  const ms = timeMsOf(text, forms);
  return Number.isNaN(ms) ? undefined : new Date(ms).toISOString();
}

Deno.test("Unix times are s, ms, µs or ns by their size", () => {
  for (const text of ["1714550400", "1714550400000", "1714550400000000", "1714550400000000000"]) {
    assert.equal(iso(text), "2024-05-01T08:00:00.000Z", text);
  }
  assert.equal(iso("1714550400.25"), "2024-05-01T08:00:00.250Z");
  assert.equal(iso("10"), "1970-01-01T00:00:10.000Z");
});

Deno.test("dates are read as databases write them, without a zone as UTC", () => {
  const times = {
    "2024-05-01": "2024-05-01T00:00:00.000Z",
    "20240501": "2024-05-01T00:00:00.000Z",
    "20240501123000": "2024-05-01T12:30:00.000Z",
    "2024-05-01 8:26": "2024-05-01T08:26:00.000Z",
    "2024/05/01 08:26:10": "2024-05-01T08:26:10.000Z",
    "2024-05-01T08:26:10.123456789Z": "2024-05-01T08:26:10.123Z",
    "2024-05-01 08:26:10,5": "2024-05-01T08:26:10.500Z",
    "2024-05-01 08:26:10.5+00": "2024-05-01T08:26:10.500Z", // PostgreSQL
    "2024-05-01 08:26:10-07": "2024-05-01T15:26:10.000Z",
    "2024-05-01 08:26:10 +0530": "2024-05-01T02:56:10.000Z",
    "2024-05-01 08:26:10 UTC": "2024-05-01T08:26:10.000Z", // BigQuery
    "01.05.2024 8:26": "2024-05-01T08:26:00.000Z",
  };
  for (const [text, time] of Object.entries(times)) assert.equal(iso(text), time, text);
});

Deno.test("digits alone are a date where they begin with a year from 1900 to 2099", () => {
  assert.equal(iso("20240501T0826"), "2024-05-01T08:26:00.000Z");
  assert.equal(timeMsOf("17140501"), 17140501_000);
  assert.equal(timeMsOf("20241301"), 20241301_000);
  assert.equal(timeMsOf("171405011230"), 171405011230);
  assert.equal(timeMsOf("17140501123000"), 17140501123000);
});

Deno.test("a day or a time of day that is none is refused, with a zone and without", () => {
  for (const forms of [{}, { zone: "Europe/Berlin" }]) {
    for (const text of ["2024-02-30", "20230229", "2024-05-01 25:00", "2024-05-01 08:26:60"]) {
      assert.equal(iso(text, forms), undefined, text);
    }
    assert.equal(iso("30/2/2024", { ...forms, order: "day/month/year" }), undefined);
    assert.equal(iso("2024-02-30T00:00:00Z", forms), undefined);
    assert.equal(
      iso("2024-04-30 24:00", forms),
      iso("2024-05-01 00:00:00.0000000000", forms),
    );
  }
});

Deno.test("a date whose year is last needs the order of day and month", () => {
  assert.equal(iso("12/1/2010 8:26"), undefined);
  assert.equal(iso("12/1/2010 8:26", { order: "month/day/year" }), "2010-12-01T08:26:00.000Z");
  assert.equal(iso("12/1/2010 8:26", { order: "day/month/year" }), "2010-01-12T08:26:00.000Z");
  assert.equal(iso("12/31/2010 12:05 AM", { order: "month/day/year" }), "2010-12-31T00:05:00.000Z");
  assert.equal(
    iso("12/31/2010, 8:05:09 pm", { order: "month/day/year" }),
    "2010-12-31T20:05:09.000Z",
  );
  assert.equal(iso("12/31/2010", { order: "day/month/year" }), undefined);
  assert.ok(needsDateOrder("12/1/2010 8:26") && needsDateOrder("12-31-2010"));
});

Deno.test("other texts are no times", () => {
  for (
    const text of ["", " ", "yesterday", "2024-13-01", "NaN", "1e400", "May 1, 2024", "5/2024"]
  ) {
    assert.equal(iso(text), undefined, text);
    assert.ok(!needsDateOrder(text), text);
  }
});

Deno.test("times without a zone are of the zone that is named, others of their own", () => {
  const zone = "Europe/Berlin";
  assert.equal(iso("2024-07-01 08:26", { zone }), "2024-07-01T06:26:00.000Z");
  assert.equal(iso("2024-01-01 08:26", { zone }), "2024-01-01T07:26:00.000Z");
  assert.equal(iso("20240701", { zone: "+09:00" }), "2024-06-30T15:00:00.000Z");
  assert.equal(
    iso("7/1/2024 8:26", { zone, order: "month/day/year" }),
    "2024-07-01T06:26:00.000Z",
  );
  for (const text of ["2024-07-01T06:26:00Z", "2024-07-01 02:26-04", "1719815160"]) {
    assert.equal(iso(text, { zone }), "2024-07-01T06:26:00.000Z", text);
    assert.ok(!lacksZone(text, {}), text);
  }
  assert.ok(lacksZone("2024-07-01 08:26", {}));
  assert.ok(isZone(zone) && isZone("+09:00") && !isZone("Berlin"));
});

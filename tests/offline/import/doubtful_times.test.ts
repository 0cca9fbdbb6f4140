import assert from "node:assert/strict";
import { timeMsOf } from "../../../offline/datasets/times.ts";
import { describeOldTimes, likelyReading } from "../../../offline/import/doubtful_times.ts";

const LATEST_MS = Date.UTC(2026, 0, 1);

function likely(text: string): string | undefined {
  const found = likelyReading({ text, atMs: timeMsOf(text) }, LATEST_MS);
  return found && `${new Date(found.atMs).toISOString().slice(0, 16)} ${found.as}`;
}

Deno.test("a time that is read as an unlikely one has the first likely reading", () => {
  const readings = {
    "45413.5": "2024-05-01T12:00 days since 1899-12-30, as spreadsheets count",
    "19844": "2024-05-01T00:00 days since 1970-01-01",
    "20241301": "2024-01-13T00:00 year, day and month",
    "240501": "2024-05-01T00:00 year of two digits, month and day",
    "28575840": "2024-05-01T08:00 Unix minutes",
    "1714550": "2024-05-01T07:53 Unix seconds that were divided by 1,000",
    "1970-01-20T20:15:50Z": "2024-05-01T07:53 Unix seconds that were divided by 1,000",
    "638501472000000000": "2024-05-01T08:00 ticks of .NET",
    "133590240000000000": "2024-05-01T08:00 a file time of Windows",
    "13359024000000000": "2024-05-01T08:00 µs since 1601-01-01, as browsers count",
    "736243200": "2024-05-01T08:00 seconds since 2001-01-01, as Apple counts",
  };
  for (const [text, reading] of Object.entries(readings)) assert.equal(likely(text), reading);
});

Deno.test("a small number has none, and times of a history are not warned of", () => {
  for (const text of ["0", "1", "711", "2024"]) assert.equal(likely(text), undefined, text);
  const warning = (text: string) =>
    describeOldTimes({ text, atMs: timeMsOf(text) }, "time", LATEST_MS);
  assert.equal(warning("1997-09-20"), "");
  assert.match(warning("736243200"), /read as 1993-\d\d-.*would be 2024-05-01T08:00/);
});

/** Refused rows are counted by reason. */
import assert from "node:assert/strict";
import { RefusedRows } from "../../../cli/import/refused_rows.ts";

Deno.test("rows are counted by their reasons without values, with a row of each", () => {
  const refused = new RefusedRows(undefined);
  const reasons = [
    'the time is "yesterday", expected Unix seconds or a date such as 2024-05-01T12:00:00Z',
    'the time is "at \\"noon\\"", expected Unix seconds or a date such as 2024-05-01T12:00:00Z',
    "the value 11 is above 10.",
    "the value -12.5 is above 10.",
    "the list of items is empty",
  ];
  reasons.forEach((reason, i) => refused.add("f.csv", [], { line: i + 2, reason, cells: [] }));
  assert.deepEqual(refused.describe().trimEnd().split("\n").map((line) => line.trim()), [
    `2  such as f.csv:2: ${reasons[0]}`,
    "2  such as f.csv:4: the value 11 is above 10.",
    "1  f.csv:6: the list of items is empty",
  ]);
});

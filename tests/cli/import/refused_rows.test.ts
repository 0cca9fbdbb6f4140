/** Refused rows are counted by reason. */
import assert from "node:assert/strict";
import { RefusedRows } from "../../../cli/import/refused_rows.ts";

Deno.test("rows are counted by their reasons without values; an example in a reason stays", () => {
  const refused = new RefusedRows(undefined);
  const reasons = [
    'the time is "yesterday", expected Unix seconds or a date such as 2024-05-01T12:00:00Z',
    'the time is "at \\"noon\\"", expected Unix seconds or a date such as 2024-05-01T12:00:00Z',
    "the value 11 is above 10.",
    "the value -12.5 is above 10.",
  ];
  reasons.forEach((reason, i) => refused.add("f.csv", [], { line: i + 2, reason, cells: [] }));
  assert.deepEqual(refused.describe().trimEnd().split("\n").map((line) => line.trim()), [
    "2  the time is …, expected Unix seconds or a date such as 2024-05-01T12:00:00Z",
    "2  the value … is above ….",
  ]);
});

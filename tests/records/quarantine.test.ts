import assert from "node:assert/strict";
import {
  EMPTY_QUARANTINE,
  IDS_MAX,
  type RefusedRow,
  ROWS_MAX,
  rowText,
  stretchText,
  withLostFrom,
  withRefused,
} from "../../records/quarantine.ts";

const refused = (row: number, ids: number): RefusedRow => ({
  row,
  refusedAtMs: 0,
  reason: "the loss is not finite",
  atMs: 0,
  labels: ["1"],
  dense: [],
  logSampleRate: "0",
  ids: Array.from({ length: ids }, () => String(2n ** 63n - 1n)),
});

Deno.test("a quarantine keeps the newest rows, each with its first ids, and counts all", () => {
  let quarantine = EMPTY_QUARANTINE;
  for (let row = 0; row < 2 * ROWS_MAX; row++) {
    quarantine = withRefused(quarantine, [refused(row, 20_000)]);
  }
  const { rows, rowsRefused, recordedBefore } = quarantine;
  assert.deepEqual([rows.length, rows[0].row], [ROWS_MAX, ROWS_MAX]);
  assert.ok(rows.every(({ ids }) => ids.length === IDS_MAX));
  assert.deepEqual([rowsRefused, recordedBefore], [2 * ROWS_MAX, 2 * ROWS_MAX]);
  assert.ok(JSON.stringify(quarantine).length < 2_000_000);
  assert.equal(withRefused(quarantine, [refused(3, 1)]), quarantine, "it is recorded already");
});

Deno.test("rows that the log has lost are marked, and rows with their numbers are recorded again", () => {
  const before = withRefused(EMPTY_QUARANTINE, [refused(3, 1), refused(7, 1)]);
  const after = withLostFrom(before, 5);
  assert.deepEqual(after.rows.map(({ row, isLost }) => [row, isLost]), [[3, undefined], [7, true]]);
  const again = withRefused(after, [refused(3, 1), refused(7, 1)]);
  assert.deepEqual(again.rows.map(({ row }) => row), [3, 7, 7]);
  assert.equal(again.rowsRefused, 3);
  assert.deepEqual(after.rows.map(rowText), ["3", "7 (lost by the log since)"]);
  const stretch = { from: 4, to: 9, skippedAtMs: 0, reason: "exploded", version: 1 };
  const { skipped } = withLostFrom({ ...before, skipped: [stretch] }, 2);
  assert.deepEqual([stretch, ...skipped].map(stretchText), [
    "4 to 8",
    "from 4 on (lost by the log since)",
  ]);
});

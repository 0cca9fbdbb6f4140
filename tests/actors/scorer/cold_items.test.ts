import assert from "node:assert/strict";
import { isCold, itemColumns } from "../../../actors/scorer/row_scores.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";

const SCHEMA: FeatureSchema = {
  slots: [
    { kind: "id", name: "user", number: 1, source: "user", pooling: "sum" },
    { kind: "id", name: "item", number: 2, source: "item", pooling: "sum" },
    {
      kind: "cross",
      name: "user_item",
      number: 3,
      of: ["user", "item"],
      valuesMax: 8,
      pooling: "sum",
    },
    {
      kind: "time",
      name: "hour",
      number: 4,
      part: "hourOfDay",
      utcOffsetMinutes: 0,
      pooling: "sum",
    },
    {
      kind: "list",
      name: "tags",
      number: 5,
      source: "item",
      attribute: "tags",
      valuesMax: 8,
      pooling: "mean",
    },
  ],
  dense: [],
  denseWidth: 0,
};

Deno.test("an item's own columns are those that need neither user nor context", () => {
  assert.deepEqual(itemColumns(SCHEMA), [1, 4]);
});

Deno.test("an item is cold until one of its own ids has a row, whatever the user's have", () => {
  // Row 0 has ids 0 (user), 1 (item), 2 (cross), 3 (hour), 4 and 5 (tags).
  const listOffsets = Uint32Array.of(0, 1, 2, 3, 4, 6);
  const inverse = Uint32Array.of(0, 1, 2, 3, 4, 5);
  const cold = (found: number[]) =>
    isCold(
      { listOffsets, slots: 5, found: Uint8Array.from(found), inverse },
      0,
      itemColumns(SCHEMA),
    );
  assert.ok(cold([1, 0, 1, 1, 0, 0]));
  assert.ok(!cold([0, 1, 0, 0, 0, 0]));
  assert.ok(!cold([0, 0, 0, 0, 0, 1]));
});

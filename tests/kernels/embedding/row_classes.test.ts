import assert from "node:assert/strict";
import { floatOf, type RowLayout } from "../../../kernels/embedding/row_classes.ts";

/** Two classes: user and item have two slices, the hour has one. */
const layout: RowLayout = {
  classes: [
    { slots: [1, 2], slices: [{ name: "first_order", dim: 1 }, { name: "embeddings", dim: 8 }] },
    { slots: [3], slices: [{ name: "embeddings", dim: 2 }] },
  ],
  classByColumn: [0, 0, 1],
};

Deno.test("a slice begins after the slices before it in the rows of the slot's class", () => {
  assert.equal(floatOf(layout, { column: 1, slice: "first_order", dim: 1 }), 0);
  assert.equal(floatOf(layout, { column: 1, slice: "embeddings", dim: 8 }), 1);
  assert.equal(floatOf(layout, { column: 2, slice: "embeddings", dim: 2 }), 0);
});

Deno.test("a slice that the rows do not have, or have in another width, is an error that names both", () => {
  assert.throws(() => floatOf(layout, { column: 2, slice: "first_order", dim: 1 }), {
    message: "The model needs the slice first_order[1] of slot 2 and its embedding rows have " +
      "embeddings[2]; give the embeddings the slices that the model asks for.",
  });
  assert.throws(
    () => floatOf(layout, { column: 0, slice: "embeddings", dim: 4 }),
    /embeddings\[4\] of slot 0 .* first_order\[1\], embeddings\[8\]/,
  );
});

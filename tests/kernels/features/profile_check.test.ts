/**
 * Profiles are checked against the schema before they are stored.
 */
import assert from "node:assert/strict";
import { FeatureTypeError } from "../../../kernels/features/errors.ts";
import { createProfileCheck } from "../../../kernels/features/profile_check.ts";
import type { FeatureSchema } from "../../../kernels/features/schema.ts";

const schema: FeatureSchema = {
  slots: [
    { kind: "id", name: "item", number: 1, pooling: "first", source: "item" },
    {
      kind: "numeric",
      name: "year",
      number: 2,
      pooling: "first",
      source: "item",
      attribute: "year",
      buckets: { kind: "linear", width: 10 },
    },
    {
      kind: "list",
      name: "genres",
      number: 3,
      pooling: "mean",
      source: "item",
      attribute: "genres",
      valuesMax: 5,
    },
    {
      kind: "categorical",
      name: "country",
      number: 4,
      pooling: "first",
      source: "user",
      attribute: "country",
    },
    {
      kind: "cross",
      name: "both",
      number: 5,
      pooling: "sum",
      of: ["genres", "country"],
      valuesMax: 9,
    },
  ],
  dense: [{
    name: "age",
    source: "user",
    attribute: "age",
    scaling: { kind: "none", clip: 1e4 },
  }],
  denseWidth: 1,
};

Deno.test("profiles of the right types, with attributes missing, null or unread, pass", () => {
  const check = createProfileCheck(schema);
  check("item", {});
  check("item", { year: 1994, genres: ["a", "b"], title: "unread", poster: ["x"] });
  check("item", { year: null, genres: null });
  check("user", { country: "de", age: 40, year: "unread for users" });
});

Deno.test("an attribute of another type is refused, whether a slot or a dense value reads it", () => {
  const check = createProfileCheck(schema);
  for (
    const [kind, attributes, attribute] of [
      ["item", { year: "old" }, "year"],
      ["user", { country: ["a"] }, "country"],
      ["user", { age: "forty" }, "age"],
      ["user", { age: 1e40 }, "age"],
    ] as const
  ) {
    assert.throws(() => check(kind, attributes), (error) => {
      assert.ok(error instanceof FeatureTypeError);
      assert.equal(error.source, kind);
      assert.equal(error.attribute, attribute);
      return true;
    });
  }
});

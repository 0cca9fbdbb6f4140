/**
 * The machine-readable ranges, against the schema itself: values at both bounds of each plain
 * setting are accepted, and values beyond are refused.
 */
import assert from "node:assert/strict";
import { type NumericRange, numericRanges } from "../../configuration/numeric_ranges.ts";
import { cairnSchema } from "../../configuration/schema.ts";

const ranges = numericRanges();
const rangeAt = (path: string) => ranges.find((range) => range.path.join(".") === path);

Deno.test("ranges have the unit, the bounds and the default of a setting", () => {
  const closed = { kinds: {}, minExclusive: false, maxExclusive: false };
  assert.deepEqual(rangeAt("joiner.window"), {
    ...closed,
    path: ["joiner", "window"],
    unit: "ms",
    min: 1000,
    max: 90 * 86_400_000,
    default: 1_800_000,
  });
  assert.deepEqual(rangeAt("embeddings.bytesMax"), {
    ...closed,
    path: ["embeddings", "bytesMax"],
    unit: "bytes",
    min: 2 ** 20,
    max: 2 ** 40,
    default: 2 ** 29,
  });
  assert.deepEqual(rangeAt("shards.count"), {
    ...closed,
    path: ["shards", "count"],
    unit: "integer",
    min: 1,
    max: 1024,
    default: 4,
  });
  assert.deepEqual(rangeAt("joiner.negativeSampling.rate"), {
    ...closed,
    path: ["joiner", "negativeSampling", "rate"],
    unit: "number",
    min: 0,
    max: 1,
    minExclusive: true,
    default: 1,
  });
});

Deno.test("a setting of one kind names the kinds that it needs", () => {
  assert.deepEqual(rangeAt("storage.snapshots.interval")?.kinds, { storage: "directory" });
  const momentum = ranges.find(({ path, kinds }) =>
    path.join(".") === "model.optimizer.momentum" && kinds.model === "deepFm"
  );
  assert.deepEqual(momentum?.kinds, { model: "deepFm", "model.optimizer": "momentum" });
});

/** Settings that a file can contain without others. */
const plain = ranges.filter(({ path, kinds }) =>
  Object.keys(kinds).length === 0 && !path.includes("*")
);

Deno.test("settings are accepted at their bounds and refused beyond", () => {
  assert(plain.length > 30);
  for (const range of plain) {
    const { path, min, max, minExclusive, maxExclusive, unit } = range;
    const step = unit === "integer" || unit === "ms" || unit === "bytes" ? 1 : 1e-6;
    if (min !== undefined) {
      assert.equal(accepts(range, min), !minExclusive, `${path}: ${min}`);
      assert.equal(accepts(range, min - step), false, `${path}: below ${min}`);
    }
    if (max !== undefined) {
      assert.equal(accepts(range, max), !maxExclusive, `${path}: ${max}`);
      assert.equal(accepts(range, max + step), false, `${path}: above ${max}`);
    }
  }
});

function accepts({ path, unit }: NumericRange, value: number): boolean {
  const written = unit === "ms" ? `${value}ms` : unit === "bytes" ? `${value}B` : value;
  const file = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), written) as {
    readonly features?: object;
    readonly mesh?: object;
  };
  const merged = {
    ...file,
    features: { slots: { user: { kind: "id", source: "user" } }, ...file.features },
    ...(file.mesh && { mesh: { id: "shop", hosts: {}, ...file.mesh } }),
  };
  return cairnSchema.safeParse(merged).success;
}

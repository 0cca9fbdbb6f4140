import assert from "node:assert/strict";
import { testModules } from "../../scripts/run_tests.ts";

const files = [
  "integration/kills.test.ts",
  "integration/moves.test.ts",
  "kernels/dense/graph.test.ts",
  "rules/labels.test.ts",
  "rules/windows.test.ts",
  "simulation/checkers/order.test.ts",
  "simulation/checkers/turns.test.ts",
  "simulation/world.test.ts",
  "structures/ring.test.ts",
  "structures/slab.test.ts",
];

Deno.test("each test file is in one module: alone where it takes long, else with its folder", () => {
  const modules = testModules(files);
  assert.deepEqual(modules.flatMap((module) => module.files).toSorted(), files);
  const shared = modules.filter((module) => module.files.length > 1).map(({ path }) => path);
  assert.deepEqual(shared, ["rules.test.ts", "simulation/checkers.test.ts", "structures.test.ts"]);
});

Deno.test("the longest file begins, and shared modules are spread among the others", () => {
  assert.deepEqual(testModules(files).map(({ path }) => path), [
    "simulation/world.test.ts",
    "integration/kills.test.ts",
    "rules.test.ts",
    "integration/moves.test.ts",
    "simulation/checkers.test.ts",
    "kernels/dense.test.ts",
    "structures.test.ts",
  ]);
});

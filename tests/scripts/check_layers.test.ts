import assert from "node:assert/strict";
import { checkLayers, importCycles, violation } from "../../scripts/check_layers.ts";

const root = new URL("../../", import.meta.url).pathname;

/** Whether the layers let `from` import `to`. */
function allows(from: string, to: string): boolean {
  return violation({ from, line: 1, to, typeOnly: false }) === undefined;
}

Deno.test("the project keeps its layers", async () => {
  const { imports, findings } = await checkLayers(root);
  assert.deepEqual(findings, []);
  assert.ok(imports > 20, `only ${imports} imports were seen`);
});

Deno.test("actors import kernels, mesh ports and runtime, and each other's protocols, and nothing else", () => {
  const from = "actors/joiner/joiner.ts";
  for (
    const to of [
      "actors/joiner/window.ts",
      "actors/trainer/protocol.ts",
      "kernels/features/feature_batch.ts",
      "mesh/ports/clock.ts",
      "mesh/runtime/actor.ts",
    ]
  ) assert.ok(allows(from, to), to);
  for (
    const to of [
      "actors/trainer/trainer.ts",
      "mesh/adapters/deno/clock.ts",
      "mesh/simulation/world.ts",
      "gateway/app.ts",
      "configuration/schema.ts",
      "server/machine/start_mesh.ts",
      "main.ts",
      "tests/actors/joiner.test.ts",
    ]
  ) assert.ok(!allows(from, to), to);
});

Deno.test("kernels import nothing outside kernels", () => {
  assert.ok(allows("kernels/dense/weights.ts", "kernels/embedding/options.ts"));
  assert.ok(!allows("kernels/dense/weights.ts", "mesh/ports/clock.ts"));
  assert.ok(!allows("kernels/dense/weights.ts", "actors/trainer/protocol.ts"));
});

Deno.test("the gateway imports only the protocols of actors", () => {
  assert.ok(allows("gateway/routes/rank.ts", "actors/ranker/protocol.ts"));
  assert.ok(!allows("gateway/routes/rank.ts", "actors/ranker/ranker.ts"));
  assert.ok(!allows("gateway/routes/rank.ts", "kernels/dense/weights.ts"));
});

Deno.test("adapters and the simulation import the ports and not each other", () => {
  assert.ok(allows("mesh/adapters/deno/clock.ts", "mesh/ports/clock.ts"));
  assert.ok(!allows("mesh/adapters/deno/clock.ts", "mesh/simulation/world.ts"));
  assert.ok(!allows("mesh/simulation/world.ts", "mesh/adapters/deno/clock.ts"));
  assert.ok(!allows("mesh/runtime/mailbox.ts", "mesh/adapters/deno/clock.ts"));
});

Deno.test("the composition reaches the machine through its environment alone", () => {
  assert.ok(allows("server/machine/machine.ts", "mesh/adapters/deno/deno_clock.ts"));
  assert.ok(allows("server/machine/machine.ts", "server/compose.ts"));
  assert.ok(!allows("server/compose.ts", "server/machine/machine.ts"));
  assert.ok(!allows("server/compose.ts", "mesh/adapters/deno/deno_clock.ts"));
  assert.ok(!allows("server/compose.ts", "mesh/simulation/virtual_clock.ts"));
});

Deno.test("configuration imports the options of all parts and the behaviour of none", () => {
  assert.ok(allows("configuration/schema.ts", "actors/joiner/options.ts"));
  assert.ok(allows("configuration/schema.ts", "kernels/embedding/options.ts"));
  assert.ok(!allows("configuration/schema.ts", "actors/joiner/joiner.ts"));
});

Deno.test("a file outside every room is a finding", () => {
  assert.match(
    violation({ from: "utils/x.ts", line: 1, to: "main.ts", typeOnly: false })!,
    /lies in no room/,
  );
});

Deno.test("a violation is reported with file, line and rule, for dynamic and type imports too", async () => {
  const planted = await Deno.makeTempDir() + "/";
  try {
    await Deno.mkdir(`${planted}kernels/dense`, { recursive: true });
    await Deno.mkdir(`${planted}gateway`);
    await Deno.writeTextFile(`${planted}gateway/app.ts`, "export interface App { port: number }\n");
    await Deno.writeTextFile(
      `${planted}kernels/dense/a.ts`,
      [
        'import type { App } from "../../gateway/app.ts";',
        "export type A = App;",
        'export const later = () => import("../../gateway/app.ts");',
        'export * from "./b.ts";',
      ].join("\n"),
    );
    await Deno.writeTextFile(
      `${planted}kernels/dense/b.ts`,
      'import "./a.ts";\nexport const b = 1;\n',
    );
    const { findings } = await checkLayers(planted);
    assert.deepEqual(findings, [
      "kernels/dense/a.ts:3 imports gateway/app.ts; kernels/ may import structures/",
      "import cycle: kernels/dense/a.ts -> kernels/dense/b.ts -> kernels/dense/a.ts; move the shared part into a file of its own",
    ]);
    await Deno.writeTextFile(
      `${planted}kernels/dense/a.ts`,
      'import type { App } from "../../gateway/app.ts";\nexport type A = App;\n',
    );
    assert.deepEqual((await checkLayers(planted)).findings, [
      "kernels/dense/a.ts:1 imports gateway/app.ts; kernels/ may import structures/",
    ]);
  } finally {
    await Deno.remove(planted, { recursive: true });
  }
});

Deno.test("each cycle is reported once, and a diamond is not a cycle", () => {
  const edge = (from: string, to: string) => ({ from, line: 1, to, typeOnly: false });
  assert.deepEqual(
    importCycles([edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d")]),
    [],
  );
  assert.deepEqual(importCycles([edge("a", "b"), edge("b", "c"), edge("c", "a")]), [[
    "a",
    "b",
    "c",
    "a",
  ]]);
});

/**
 * Goal: `cairn size` says where its figures come from, refuses a wrong load, and its memory is that
 * of a real process within a factor of two.
 */
import assert from "node:assert/strict";
import project from "../../../deno.json" with { type: "json" };
import { coefficients } from "../../../cli/size/coefficients.ts";
import { eventually, MeshProcess } from "../../integration/mesh_process.ts";
import { runCaptured } from "../captured_command.ts";

/** The estimate may be wrong by this factor, either way; docs/deployment.md says so. */
const FACTOR = 2;

const small = ["--items", "1000", "--users", "1000", "--rankings-per-second", "10"];

Deno.test("the sheet names the measurement and says that it estimates", async () => {
  const { code, out } = await runCaptured("size", ...small);
  assert.equal(code, 0);
  for (const text of ["estimates", coefficients.processor, coefficients.date, "training tables"]) {
    assert.ok(out.includes(text), `${text} is not in:\n${out}`);
  }
  assert.ok(out.includes("scripts/measure_capacity.ts"));
});

Deno.test("the JSON has the load, the sheet and the coefficients", async () => {
  const { code, out } = await runCaptured("size", ...small, "--json", "--host-price", "0.1");
  assert.equal(code, 0);
  const sheet = JSON.parse(out);
  assert.equal(sheet.isEstimate, true);
  assert.equal(sheet.load.items, 1_000);
  assert.deepEqual(sheet.measured, coefficients);
  assert.ok(sheet.perMillion.price > 0);
});

Deno.test("a wrong load is refused with the range", async () => {
  for (
    const [wrong, expected] of [
      [["--items", "-1", ...small.slice(2)], /whole number from 1/],
      [["--items", "10", "--users", "10"], /--rankings-per-second/],
      [[...small, "--candidates", "501"], /from 1 to 500/],
      [[...small, "--config", "none.yaml"], /none\.yaml/],
    ] as const
  ) {
    const { code, err } = await runCaptured("size", ...wrong);
    assert.equal(code, 2, err);
    assert.match(err, expected);
  }
});

Deno.test("the coefficients are a measurement: positive, with processor, day and load", () => {
  const { processor, date, load, candidates, ...figures } = coefficients;
  assert.ok(processor.length > 0 && load > 0);
  assert.match(date, /^\d{4}-\d\d-\d\d$/);
  assert.deepEqual(candidates.length, 2);
  for (const [name, value] of Object.entries(figures)) {
    if (typeof value === "number") assert.ok(value > 0, `${name} is ${value}`);
  }
});

Deno.test("the estimated memory is that of a real process within a factor of two", async () => {
  const folder = await Deno.makeTempDir();
  const [items, users, candidates] = [60_000, 6_000, 100];
  try {
    const configuration = `${folder}/cairn.yaml`;
    await Deno.writeTextFile(
      configuration,
      `features:
  slots: { user: { kind: id, source: user }, item: { kind: id, source: item } }
model: { kind: deepFm, embeddingDim: 64, hidden: [16], tasks: [click] }
embeddings: { bytesMax: 512MiB }
joiner:
  window: 1s
  tasks: { click: [{ action: click, label: positive, final: true }] }
placement: { kind: workers }
storage: { kind: directory, path: data }
`,
    );
    const [, flags = ""] = /--v8-flags=(\S+)/.exec(project.tasks.tuned) ?? [];
    const environment = { DENO_V8_FLAGS: flags };
    const server = await MeshProcess.start(configuration, { environment });
    try {
      const began = performance.now();
      let rankings = 0;
      const rank = async () => {
        const first = rankings * candidates % items;
        const user = `u${rankings++}`;
        const shown = Array.from({ length: candidates }, (_, i) => `i${first + i}`);
        await server.client.rank(user, shown);
      };
      // Every item and every user is learned once.
      while (rankings < users) await Promise.all(Array.from({ length: 8 }, rank));
      const rankingsPerSecond = rankings / (performance.now() - began) * 1_000;
      const isLearned = await eventually(async () => {
        await rank();
        return await server.metric("cairn_shard_rows") > 0.9 * (items + users);
      });
      assert.ok(isLearned, `${await server.metric("cairn_shard_rows")} rows are learned`);
      const resident = await server.metric("process_resident_memory_bytes");
      const { out } = await runCaptured(
        "size",
        ...["--config", configuration, "--items", String(items), "--users", String(users)],
        ...["--other-ids", "0", "--rankings-per-second", rankingsPerSecond.toFixed(1), "--json"],
      );
      const { memoryBytes, memory, rows } = JSON.parse(out);
      assert.equal(rows, items + users);
      const ratio = memoryBytes / resident;
      assert.ok(
        ratio > 1 / FACTOR && ratio < FACTOR,
        `estimated ${memoryBytes}, resident ${resident}: ${JSON.stringify(memory)}`,
      );
    } finally {
      await server.kill("SIGTERM");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

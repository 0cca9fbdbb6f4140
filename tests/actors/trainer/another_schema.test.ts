import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunk_builder.ts";
import { exampleColumnsOf, rowColumnsOf } from "../../../kernels/features/schema_fingerprint.ts";
import { encodeExamples } from "../../../records/example_chunk.ts";
import { Loop } from "../loop.ts";
import { SCHEMA } from "../loop_model.ts";

/** Three examples with as many columns as the loop's model has, in another order. */
function otherSchema(firstRow: number): Uint8Array {
  const reordered = { ...SCHEMA, slots: SCHEMA.slots.toReversed() };
  const columns = exampleColumnsOf(rowColumnsOf(reordered, "clicked"), ["clicked"]);
  const builder = new ExampleChunkBuilder(columns, firstRow, 3);
  for (let row = 0; row < 3; row++) {
    const listOffsets = Uint32Array.of(0, 1, 1, 1);
    builder.add({
      features: { ids: new Uint32Array(2), listOffsets, dense: new Uint32Array() },
      row: 0,
      labels: [1],
      logSampleRate: 0,
      servedPrediction: 0,
      ranking: 0,
      atMs: row,
    });
  }
  return encodeExamples(builder.finish(1));
}

Deno.test("a trainer skips examples of another schema at the log's beginning, and learns the ones after them", async () => {
  const loop = await Loop.start();
  await loop.exampleLog.append(0, [otherSchema(0)]);
  await loop.mesh.advance(100);
  const skipped = await loop.trainerStatus();
  assert.deepEqual([skipped.offset, skipped.examples], [1, 0]);
  await loop.restart("joiner/0"); // it numbers rows after the last chunk of the log
  const { rankingId } = await loop.rank("ann", ["a", "b"]);
  await loop.act(rankingId, "a", "click");
  await loop.mesh.advance(1_000);
  assert.equal((await loop.trainerStatus()).examples, 1);
  await loop.stop();
});

Deno.test("a long run of examples of another schema is logged once, with the number of its rows", async () => {
  const loop = await Loop.start();
  const chunks = Array.from({ length: 150 }, (_, i) => otherSchema(3 * i));
  await loop.exampleLog.append(0, chunks);
  await loop.mesh.advance(100);
  const { telemetry } = loop.mesh;
  const warnings = () =>
    telemetry.lines.filter(({ message }) => message.includes("another schema"));
  assert.deepEqual(warnings().map(({ level, fields }) => [level, fields]), [
    ["warn", { partition: 0, chunks: 150, rows: 450, offset: 0 }],
  ]);
  assert.equal(telemetry.value("cairn_trainer_examples_skipped_total", { trainer: "0" }), 450);
  await loop.restart("joiner/0");
  const { rankingId } = await loop.rank("ann", ["a", "b"]);
  await loop.act(rankingId, "a", "click");
  await loop.mesh.advance(1_000);
  assert.equal((await loop.trainerStatus()).examples, 1);
  assert.equal(warnings().length, 1);
  await loop.stop();
});

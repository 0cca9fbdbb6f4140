import assert from "node:assert/strict";
import { ExampleChunkBuilder } from "../../../actors/joiner/example_chunks.ts";
import { encodeExamples } from "../../../actors/trainer/protocol.ts";
import { Loop } from "../loop.ts";

/** Three examples of two slots, where the loop's model has three. */
function otherSchema(firstRow: number): Uint8Array {
  const builder = new ExampleChunkBuilder({ slots: 2, denseWidth: 0, tasks: 1 }, firstRow, 3);
  for (let row = 0; row < 3; row++) {
    const features = { ids: new Uint32Array(2), segmentOffsets: Uint32Array.of(0, 1, 1) };
    builder.add({ ...features, dense: new Uint32Array() }, 0, [1], 0, 0, row);
  }
  return encodeExamples(builder.finish(1));
}

Deno.test("a trainer passes over examples of another schema at the log's beginning, and learns what follows", async () => {
  const loop = await Loop.start();
  await loop.exampleLog.append(0, [otherSchema(0)]);
  await loop.mesh.advance(100);
  const skipped = await loop.trainerStatus();
  assert.deepEqual([skipped.offset, skipped.examples], [1, 0]);
  await loop.restart("joiner/0"); // it numbers rows from what the log holds
  const { rankingId } = await loop.rank("ann", ["a", "b"]);
  await loop.act(rankingId, "a", "click");
  await loop.mesh.advance(1_000);
  assert.equal((await loop.trainerStatus()).examples, 1);
  await loop.stop();
});

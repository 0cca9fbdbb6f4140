import assert from "node:assert/strict";
import { EmbeddingTable } from "../../../kernels/embedding/embedding_table.ts";
import { largeMemories } from "../../../structures/large_memories.ts";
import { modelledOptions } from "./table_model.ts";

Deno.test("the memory of a table is listed for its thread, and grows with the table", () => {
  const before = largeMemories();
  const table = EmbeddingTable.create(modelledOptions({ dim: 16 }));
  const [memory, ...others] = largeMemories().filter((each) => !before.includes(each));
  assert.deepEqual(others, []);
  const bytes = memory.buffer.byteLength;
  const ids = BigUint64Array.from({ length: 50_000 }, (_, index) => BigInt(index));
  table.assign(ids, new Float32Array(ids.length * 16), 0);
  assert.ok(memory.buffer.byteLength > bytes + 50_000 * 16 * 4);
});

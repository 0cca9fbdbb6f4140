/**
 * The comparison of the log with the chunks that shards have learned.
 */
import assert from "node:assert/strict";
import { requireLearned, ShardAheadError } from "../../../actors/trainer/resume_point.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const learned = (offset: number, text: string) => {
  return { offset, checksum: BatchKernel.create().crc32c(bytes(text)) };
};

async function logOf(...records: readonly string[]): Promise<MemoryEventLog> {
  const log = new MemoryEventLog({ name: "examples", partitions: 1 });
  await log.append(0, records.map(bytes));
  return log;
}

Deno.test("shards that have learned chunks of the log, or nothing since their snapshot, go on", async () => {
  const log = await logOf("a", "b", "c");
  await requireLearned(log, new Map([[0, [learned(0, "a"), learned(2, "c")]]]));
  await requireLearned(log, new Map([[0, []]]));
});

Deno.test("a chunk behind the end of the log is lost", async () => {
  const log = await logOf("a", "b");
  const ahead = new Map([[0, [learned(1, "b"), learned(2, "c")]]]);
  await assert.rejects(requireLearned(log, ahead), ShardAheadError);
});

Deno.test("a chunk whose offset another one has taken is lost, however long the log is", async () => {
  const log = await logOf("a", "other", "c", "d");
  await assert.rejects(
    requireLearned(log, new Map([[0, [learned(1, "b")]]])),
    /the chunk at offset 1 of the example log .* has lost/,
  );
});

Deno.test("a chunk that was trimmed is not lost, also where the log has none", async () => {
  const log = await logOf("a", "b", "c");
  await log.trim(0, 2);
  await requireLearned(log, new Map([[0, [learned(0, "a")]]]));
  await log.trim(0, 3);
  await requireLearned(log, new Map([[0, [learned(1, "b")]]]));
});

/** Which logs an earlier reader's positions are of. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  hasRecordsBefore,
  type ReadEnd,
  ReadPositions,
} from "../../../actors/feature_keeper/read_positions.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";

const kernel = BatchKernel.create();
const record = (text: string) => new TextEncoder().encode(text);

async function logOf(...partitions: readonly (readonly string[])[]): Promise<MemoryEventLog> {
  const log = new MemoryEventLog({ partitions: partitions.length });
  for (const [partition, texts] of partitions.entries()) {
    if (texts.length > 0) await log.append(partition, texts.map(record));
  }
  return log;
}

/** The end of a reader that has taken all records of a log. */
async function endOf(log: MemoryEventLog, begin?: ReadEnd): Promise<ReadEnd> {
  const from = begin ?? {
    offsets: Array.from({ length: log.partitions }, () => 0),
    lastRecords: [],
  };
  const positions = new ReadPositions(kernel, from);
  for (const [partition, offset] of from.offsets.entries()) {
    for (const each of await log.read(partition, offset, 1_000)) {
      positions.take({ partition, ...each });
    }
  }
  return positions.end();
}

Deno.test("a log that grew is the one that was read, and one with another record before the offset is not", async () => {
  const end = await endOf(await logOf(["a", "b"], [], ["c"]));
  assert.deepEqual(end.offsets, [2, 0, 1]);
  const isSame = async (...partitions: string[][]) =>
    await hasRecordsBefore(await logOf(...partitions), kernel, end);
  assert.equal(await isSame(["a", "b", "x"], ["y"], ["c"]), true);
  assert.equal(await isSame(["a", "x", "y"], [], ["c"]), false, "b was lost and replaced");
  assert.equal(await isSame(["a", "b"], [], ["x"]), false, "so was c");
  assert.equal(await isSame(["a"], [], ["c"]), false, "the log ends before");
  assert.equal(await isSame(["a", "b"], []), false, "a log of other partitions");
});

Deno.test("a position that took no further record has the checksum that it began with", async () => {
  const log = await logOf(["a"], ["b"]);
  const end = await endOf(log);
  assert.deepEqual(await endOf(log, end), end);
  await log.append(1, [record("c")]);
  const later = await endOf(log, end);
  assert.deepEqual(later.offsets, [1, 2]);
  assert.equal(later.lastRecords[0], end.lastRecords[0]);
  assert.notEqual(later.lastRecords[1], end.lastRecords[1]);
});

Deno.test("a record that was trimmed is not compared", async () => {
  const log = await logOf(["a", "x", "c"]);
  const end = await endOf(await logOf(["a", "b"]));
  assert.equal(await hasRecordsBefore(log, kernel, end), false);
  await log.trim(0, 2);
  assert.equal(await hasRecordsBefore(log, kernel, end), true);
});

Deno.test("whatever tail is lost and replaced by other records, the position before it is refused", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      fc.integer({ min: 0, max: 20 }),
      async (count, lostSeed, extra) => {
        const texts = Array.from({ length: count }, (_, i) => `record ${i}`);
        const end = await endOf(await logOf(texts));
        const kept = lostSeed % count;
        const others = Array.from({ length: count - kept + extra }, (_, i) => `other ${i}`);
        const replaced = await logOf([...texts.slice(0, kept), ...others]);
        assert.equal(await hasRecordsBefore(replaced, kernel, end), false);
      },
    ),
  );
});

import assert from "node:assert/strict";
import fc from "fast-check";
import { BackwardReader } from "../../../gateway/memory/backward_reader.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";

/** A record is its acceptance time; 0 cannot be decoded. */
const decode = ({ bytes: [acceptedAtMs] }: { readonly bytes: Uint8Array }) =>
  acceptedAtMs === 0 ? undefined : { acceptedAtMs };

async function readAll(log: MemoryEventLog, recordsPerRead: number): Promise<number[]> {
  const reader = new BackwardReader({ log, recordsPerRead, decode });
  const read: number[] = [];
  for (;;) {
    const next = await reader.next();
    if (next === undefined) return read;
    read.push(next.record.acceptedAtMs);
  }
}

Deno.test("records of several partitions are read from the newest to the oldest, each once", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(2), { maxLength: 60 }),
      fc.integer({ min: 1, max: 8 }),
      fc.array(fc.nat(10), { minLength: 3, maxLength: 3 }),
      async (partitions, recordsPerRead, trimmed) => {
        const log = new MemoryEventLog({ partitions: 3 });
        const expected: number[] = [];
        const written = [0, 0, 0];
        for (const [i, partition] of partitions.entries()) {
          const atMs = i % 5 === 4 ? 0 : i + 1;
          await log.append(partition, [Uint8Array.of(atMs)]);
          if (atMs > 0 && written[partition] >= trimmed[partition]) expected.unshift(atMs);
          written[partition]++;
        }
        for (const [partition, offset] of trimmed.entries()) await log.trim(partition, offset);
        assert.deepEqual(await readAll(log, recordsPerRead), expected);
      },
    ),
  );
});

Deno.test("the order of a partition stays where acceptance times do not ascend", async () => {
  const log = new MemoryEventLog({ partitions: 2 });
  await log.append(0, [9, 3, 5].map((time) => Uint8Array.of(time)));
  await log.append(1, [4, 6].map((time) => Uint8Array.of(time)));
  assert.deepEqual(await readAll(log, 2), [6, 5, 4, 3, 9]);
});

Deno.test("a record whose clock was set back holds back no newer records of its partition", async () => {
  const log = new MemoryEventLog({ partitions: 2 });
  await log.append(0, [10, 30, 50].map((time) => Uint8Array.of(time)));
  await log.append(1, [20, 40, 60, 5].map((time) => Uint8Array.of(time)));
  assert.deepEqual(await readAll(log, 8), [5, 60, 50, 40, 30, 20, 10]);
});

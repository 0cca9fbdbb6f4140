import assert from "node:assert/strict";
import fc from "fast-check";
import { OrderedReader } from "../../../actors/feature_keeper/ordered_reader.ts";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { encodeEvent } from "../../../records/event_record.ts";

const mark = (acceptedAtMs: number) => encodeEvent({ kind: "mark", atMs: 0, acceptedAtMs });

async function readOn(reader: OrderedReader, partitions = [0, 1, 2]): Promise<number[]> {
  const times: number[] = [];
  reader.lookAgain(partitions);
  for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
    times.push(next.acceptedAtMs);
  }
  return times;
}

Deno.test("records that are there are read in the order of acceptance, whatever their partition", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(2), { maxLength: 60 }),
      fc.integer({ min: 1, max: 8 }),
      fc.nat(60),
      async (partitions, recordsPerRead, firstPart) => {
        const log = new MemoryEventLog({ partitions: 3 });
        const reader = new OrderedReader(log, [0, 0, 0], recordsPerRead);
        const read: number[] = [];
        for (const [i, partition] of partitions.entries()) {
          await log.append(partition, [mark(i)]);
          if (i === firstPart) read.push(...await readOn(reader));
        }
        read.push(...await readOn(reader));
        assert.deepEqual(read, [...partitions.keys()]);
      },
    ),
  );
});

Deno.test("only the partitions that have news are read again", async () => {
  const log = new MemoryEventLog({ partitions: 3 });
  const { read } = log;
  const asked: number[] = [];
  log.read = (partition, ...parts) => {
    asked.push(partition);
    return read.call(log, partition, ...parts);
  };
  const reader = new OrderedReader(log, [0, 0, 0], 8);
  await readOn(reader);
  asked.length = 0;
  await log.append(1, [mark(1)]);
  await log.append(2, [mark(2)]);
  assert.deepEqual(await readOn(reader, [1]), [1]);
  assert.deepEqual(asked, [1]);
  assert.deepEqual(await readOn(reader, [2]), [2]);
});

Deno.test("reading begins at the given offsets, and a record that cannot be decoded is passed on", async () => {
  const log = new MemoryEventLog({ partitions: 2 });
  await log.append(0, [mark(1), mark(4)]);
  await log.append(1, [mark(2), Uint8Array.of(0xc1), mark(3)]);
  const reader = new OrderedReader(log, [1, 1], 4);
  const found: string[] = [];
  for (let next = await reader.next(); next !== undefined; next = await reader.next()) {
    found.push(`${next.partition}/${next.offset} ${next.event?.kind}`);
  }
  assert.deepEqual(found, ["1/1 undefined", "1/2 mark", "0/1 mark"]);
});

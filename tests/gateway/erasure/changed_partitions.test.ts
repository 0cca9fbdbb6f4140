/**
 * Erasures before and behind a change of the number of partitions.
 */
import assert from "node:assert/strict";
import { decodeEvent } from "../../../records/event_record.ts";
import { erasureFixture } from "../erasure_fixture.ts";

Deno.test("an erasure waits for the partitions that have its last records", async () => {
  const partitionings = [{ events: 2, examples: 1 }];
  const { erasures, eventLog, eraseLearned } = await erasureFixture({
    partitionings: () => partitionings,
  });
  const before = await eraseLearned();
  await eventLog.extend({ firstPartition: 2, partitions: 5 });
  partitionings.push({ events: 3, examples: 3 });
  const learned = await erasures.read(before);
  assert.deepEqual(learned?.sources, ["trainer/0"]);
  assert.ok(learned?.trainers.every(([, second]) => second !== undefined));

  const { request: { erasureId, firstAt } } = await erasures.erase("bob");
  assert.equal(firstAt.length, 5);
  for (const partition of [2, 3, 4]) {
    const [{ bytes }] = await eventLog.read(partition, firstAt[partition], 1);
    const record = decodeEvent(bytes);
    assert.ok(record.kind === "forget" && record.user === "bob");
  }
  assert.deepEqual((await erasures.read(erasureId))?.sources, [
    "trainer/1",
    "trainer/2",
    "trainer/3",
  ]);
  await erasures.stop();
});

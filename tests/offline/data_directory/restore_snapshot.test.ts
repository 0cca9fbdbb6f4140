/** Snapshots whose examples are learned again: of the log that is there, and of another one. */
import assert from "node:assert/strict";
import { MemoryEventLog } from "../../../mesh/adapters/memory/memory_event_log.ts";
import { RestoreError, restoreSnapshot } from "../../../offline/data_directory/restore_snapshot.ts";
import { readManifests } from "../../../records/snapshot_manifest.ts";
import { Loop } from "../../actors/loop.ts";

/** A loop that has learned examples, each a chunk, and their snapshot. */
async function learned(examples: number): Promise<Loop> {
  const loop = await Loop.start();
  for (let i = 0; i < examples; i++) {
    const { rankingId } = await loop.rank("user", ["item"]);
    await loop.act(rankingId, "item", "click");
    await loop.mesh.advance(1_000);
  }
  await loop.snapshot();
  return loop;
}

/** A log of these records. */
async function logOf(records: readonly Uint8Array[]): Promise<MemoryEventLog> {
  const log = new MemoryEventLog({ name: "examples", partitions: 1 });
  await log.append(0, records);
  return log;
}

async function restoreOn(
  loop: Loop,
  exampleLog: MemoryEventLog,
  examples: "learn" | "skip",
  requireHeld = () => Promise.resolve(),
) {
  const { blobs } = loop;
  const [{ name }] = await readManifests(blobs);
  return await restoreSnapshot({
    target: blobs,
    source: blobs,
    snapshot: name,
    examples,
    exampleLog,
    requireHeld,
    nowMs: loop.mesh.clock.nowMs() + 1,
  });
}

Deno.test("a snapshot is not learned on from where others have replaced its examples", async () => {
  const loop = await learned(6);
  const records = (await loop.exampleLog.read(0, 0, 100)).map(({ bytes }) => bytes);
  assert.equal(records.length, 6);
  const others = [...records.slice(0, -1), records[1], records[2]];
  const refused = await restoreOn(loop, await logOf(others), "learn").catch((error) => error);
  assert.ok(refused instanceof RestoreError, String(refused));
  assert.match(
    refused.message,
    /log of partition 0 has other examples before its cut at 6: those learned were lost\. Skip/,
  );
  assert.equal((await readManifests(loop.blobs)).length, 1, "nothing has changed");
  await restoreOn(loop, await logOf(records), "learn");
  assert.equal((await readManifests(loop.blobs)).length, 2);
  await loop.stop();
});

Deno.test("examples that replaced those of a snapshot can be skipped", async () => {
  const loop = await learned(4);
  const records = (await loop.exampleLog.read(0, 0, 100)).map(({ bytes }) => bytes);
  await restoreOn(loop, await logOf([...records.slice(0, -1), records[1]]), "skip");
  assert.equal((await readManifests(loop.blobs)).length, 2);
  await loop.stop();
});

Deno.test("a restored snapshot sorts after parts that a host with a fast clock has left", async () => {
  const loop = await learned(1);
  const left = `snapshots/${String(loop.mesh.clock.nowMs() + 3_600_000).padStart(15, "0")}`;
  await loop.blobs.put(`${left}/trainer/0`, Uint8Array.of(1));
  await restoreOn(loop, loop.exampleLog as MemoryEventLog, "learn");
  const [{ name }] = await readManifests(loop.blobs);
  assert.ok(name > left, `${name} > ${left}`);
  await loop.stop();
});

Deno.test("a restored snapshot does not count where others have taken the logs meanwhile", async () => {
  const loop = await learned(1);
  const taken = () => Promise.reject(new Error("taken"));
  const restored = restoreOn(loop, loop.exampleLog as MemoryEventLog, "skip", taken);
  await assert.rejects(restored, /taken/);
  assert.equal((await readManifests(loop.blobs)).length, 1);
  await loop.stop();
});

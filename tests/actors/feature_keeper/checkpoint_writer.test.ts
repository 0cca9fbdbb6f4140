/** The parts of a checkpoint, one after the other, also where the lease ends meanwhile. */
import assert from "node:assert/strict";
import { Checkpoints } from "../../../actors/feature_keeper/checkpoint.ts";
import { CheckpointWriter } from "../../../actors/feature_keeper/checkpoint_writer.ts";
import type { KeptState } from "../../../actors/feature_keeper/kept_state.ts";
import type { SavedPart } from "../../../actors/feature_keeper/kept_tables.ts";
import type { FeatureKeeperMessage } from "../../../actors/feature_keeper/protocol.ts";
import { ReadPositions } from "../../../actors/feature_keeper/read_positions.ts";
import { BatchKernel } from "../../../kernels/embedding/batch_kernel.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import type { ActorContext } from "../../../mesh/runtime/actor.ts";

const keeper = { features: [], shard: 0, shards: 1, tenure: 1 };
const keys = ["a", "b", "c"];
const partOf = (key: string): SavedPart => ({ table: "events", entries: [[key, 1, true]] });

/** Lets the promises that can go on do so. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

/** A writer of three parts in a store that holds each write until it is released. */
function slowWriter() {
  const blobs = new MemoryBlobStore();
  const put = blobs.put.bind(blobs);
  const held: { readonly name: string; readonly release: () => void }[] = [];
  blobs.put = async (name, bytes) => {
    await new Promise<void>((release) => held.push({ name, release }));
    await put(name, bytes);
  };
  const list = blobs.list.bind(blobs);
  const lists: (() => void)[] = [];
  const slow = { holdsLists: false };
  blobs.list = async (prefix) => {
    if (slow.holdsLists) await new Promise<void>((release) => lists.push(release));
    return await list(prefix);
  };
  let [messages, nowMs] = [0, 0];
  const context = {
    clock: { monotonicMs: () => nowMs },
    isCurrent: true,
    schedule: () => messages++,
  } as unknown as ActorContext<FeatureKeeperMessage>;
  let parts: SavedPart[] = [];
  const records = { records: 0 };
  const state = Object.assign(records, {
    beginSave: () => parts = keys.map(partOf),
    nextSaved: () => parts.shift(),
    endSave() {},
  }) as unknown as KeptState;
  const checkpoints = new Checkpoints(blobs, keeper);
  const positions = new ReadPositions(BatchKernel.create(), { offsets: [0], lastRecords: [null] });
  const writer = new CheckpointWriter(context, {
    ...{ checkpoints, state, positions, intervalMs: 1, isClean: true },
  });
  [records.records, nowMs] = [3, 1];
  return {
    blobs,
    held,
    writer,
    records,
    /** Whether the store waits before it lists blobs, until {@link releaseList}. */
    slow,
    async releaseList() {
      lists.shift()?.();
      await settle();
    },
    async release() {
      held.shift()?.release();
      await settle();
    },
    /** Delivers the messages that were scheduled. */
    async deliver() {
      for (; messages > 0; messages--) writer.saveNext();
      await settle();
    },
  };
}

Deno.test("parts are written one after the other, also where the lease ends and comes back", async () => {
  const { blobs, held, writer, release, deliver } = slowWriter();
  const names = () => held.map(({ name }) => name.slice("keeper/0/t1/".length));
  writer.beginIfDue();
  assert.deepEqual(names(), ["1/0"]);
  writer.setLeased(false);
  writer.setLeased(true);
  assert.deepEqual(names(), ["1/0"], "while a part is being written");
  await release();
  writer.setLeased(false);
  writer.setLeased(true);
  assert.deepEqual(names(), [], "while the next part waits for its turn");
  await deliver();
  assert.deepEqual(names(), ["1/1"]);
  writer.setLeased(false);
  await release();
  await deliver();
  assert.deepEqual(names(), [], "it stands still");
  writer.setLeased(true);
  assert.deepEqual(names(), ["1/2"], "it goes on");
  await release();
  await deliver();
  assert.deepEqual(names(), ["index"]);
  await release();
  const saved = await new Checkpoints(blobs, keeper).read();
  assert.deepEqual(saved?.parts, keys.map(partOf));
});

Deno.test("the last checkpoint loses nothing to the deletion that goes with the one before", async () => {
  const { blobs, held, writer, records, release, deliver, slow, releaseList } = slowWriter();
  const writeAll = async () => {
    for (; held.length > 0; await deliver()) await release();
  };
  writer.beginIfDue();
  slow.holdsLists = true;
  await writeAll();
  records.records++;
  const stopped = writer.stop();
  // The store goes on with all that it holds, and with the deletion last.
  for (let i = 0; i < 3; i++) {
    await writeAll();
    await releaseList();
  }
  await stopped;
  slow.holdsLists = false;
  const saved = await new Checkpoints(blobs, keeper).read();
  assert.equal(saved?.records, 4);
  assert.deepEqual(saved?.parts, keys.map(partOf));
});

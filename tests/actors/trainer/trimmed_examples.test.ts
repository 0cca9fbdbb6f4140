/**
 * Goal: where the example log begins behind the snapshots that are left, no example is passed over
 * unless an operator has given it up. Method: a loop whose store goes back to an earlier snapshot
 * after the log was trimmed behind a later one, as a volume that is restored from a copy.
 */
import assert from "node:assert/strict";
import type { OwnBlobs } from "../../../records/own_blobs.ts";
import { manifestName, readManifests } from "../../../records/snapshot_manifest.ts";
import { Loop } from "../loop.ts";
import type { LoopOptions } from "../loop_options.ts";

const place = "storage.path (/data)";

async function learn(loop: Loop, examples: number): Promise<void> {
  for (let i = 0; i < examples; i++) {
    const { rankingId } = await loop.rank("user", ["item"]);
    await loop.act(rankingId, "item", "click");
    await loop.mesh.advance(1_000);
  }
}

/** A loop that has learned 12 examples, with snapshots after the 8th and the last. */
async function learned(options: LoopOptions = {}): Promise<Loop> {
  const loop = await Loop.start(options);
  await learn(loop, 8);
  await loop.snapshot();
  await learn(loop, 4);
  await loop.snapshot();
  // As the snapshotter does where it keeps one.
  await loop.exampleLog.trim(0, (await loop.trainerStatus()).offset - 1);
  return loop;
}

/** Takes the newest snapshot away; resolves with a function that puts it back. */
async function loseNewest({ blobs }: Loop): Promise<() => Promise<void>> {
  const [{ name }] = await readManifests(blobs);
  const manifest = await blobs.get(manifestName(name));
  await blobs.delete(manifestName(name));
  return () => blobs.put(manifestName(name), manifest!);
}

/** The loop again, as parts of a mesh whose records say this of its store. */
const again = (loop: Loop, own: Omit<OwnBlobs, "place"> = {}) =>
  loop.kill(2, { trainer: { ownBlobs: { place, ...own } } });

Deno.test("a trainer does not begin from a snapshot behind which the log is trimmed", async () => {
  const loop = await learned();
  await loseNewest(loop);
  for (const examplesFrom of [[], [10]]) {
    await assert.rejects(
      again(loop, { examplesFrom }),
      /have 8 rows of partition 0, .*\(examples\/0\) begins at row 11: 3 examples would not be .*`cairn recover --accept-loss`/,
    );
  }
  await assert.rejects(loop.kill(3), /begins at row 11: 3 examples/, "one process");
  await loop.stop();
});

Deno.test("a trainer of a mesh does not begin without snapshots where the log is trimmed", async () => {
  const loop = await learned();
  for (let i = 0; i < 2; i++) await loseNewest(loop);
  await assert.rejects(again(loop), /have 0 rows of partition 0, .* begins at row 11: 11 examples/);
  const begun = await again(loop, { examplesFrom: [11] });
  await begun.mesh.advance(1_000);
  assert.equal((await begun.trainerStatus()).examples, 1);
  for (const each of [loop, begun]) await each.stop();
});

Deno.test("a trainer learns what the log has once the examples before are given up", async () => {
  const loop = await learned();
  const { offset } = await loop.trainerStatus();
  await loseNewest(loop);
  const begun = await again(loop, { examplesFrom: [11] });
  await learn(begun, 2);
  assert.equal((await begun.trainerStatus()).offset, offset + 2);
  await begun.snapshot();
  const restarted = await again(begun, { examplesFrom: [11] });
  await learn(restarted, 1);
  assert.equal((await restarted.trainerStatus()).offset, offset + 3);
  for (const each of [loop, begun, restarted]) await each.stop();
});

Deno.test("a shard that restarts in an older copy of the store is not learned from until it is whole", async () => {
  const loop = await learned({ shards: 1, trainer: { ownBlobs: { place } } });
  const { offset } = await loop.trainerStatus();
  const putBack = await loseNewest(loop);
  await loop.restart("embedding_shard/0");
  const { rankingId } = await loop.rank("user", ["item"]);
  await loop.act(rankingId, "item", "click");
  await loop.mesh.advance(5_000);
  const told = () => loop.mesh.telemetry.lines.map((line) => JSON.stringify(line)).join("\n");
  assert.match(told(), /begins at row 11: 3 examples would not be learned again/);
  await putBack();
  await loop.mesh.advance(60_000);
  assert.equal((await loop.trainerStatus()).offset, offset + 1);
  assert.match(told(), /All shards restart from the newest snapshot/);
  await loop.stop();
});

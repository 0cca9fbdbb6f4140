/** Checkpoints in files, as a server writes them. */
import assert from "node:assert/strict";
import { Checkpoints } from "../../../actors/feature_keeper/checkpoint.ts";
import type { SavedPart } from "../../../actors/feature_keeper/kept_tables.ts";
import type { KeptFeature } from "../../../actors/feature_keeper/options.ts";
import { MemoryBlobStore } from "../../../mesh/adapters/memory/memory_blob_store.ts";
import { DirectoryBlobStore } from "../../../mesh/adapters/embedded/directory_blob_store.ts";
import { UnfinishedBlobStore } from "../../unfinished_blob_store.ts";

const features: KeptFeature[] = [
  { kind: "history", name: "seen", of: { action: "shown" }, last: 20 },
];
const keeper = { features, shard: 0, shards: 1 };
const part = (key: string): SavedPart => ({ table: "events", entries: [[key, 1, true]] });

Deno.test("a checkpoint in files replaces the one before it when it is whole", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const blobs = new DirectoryBlobStore(folder);
    const checkpoints = new Checkpoints(blobs, keeper);
    assert.equal(await checkpoints.read(), undefined);
    for (const [i, keys] of [["a", "b"], ["c"]].entries()) {
      checkpoints.begin();
      for (const key of keys) await checkpoints.writePart(part(key));
      if (i > 0) {
        const last = await new Checkpoints(blobs, keeper).read();
        assert.deepEqual(last?.parts, [part("a"), part("b")], "the new one is not whole yet");
      }
      await checkpoints.finish({ offsets: [i], lastRecords: [i], records: i });
      const last = await new Checkpoints(blobs, keeper).read();
      assert.deepEqual(last, { offsets: [i], lastRecords: [i], records: i, parts: keys.map(part) });
    }
    assert.deepEqual(await blobs.list("keeper/"), ["keeper/0/2/0", "keeper/0/index"]);

    const others = { ...keeper, shards: 2 };
    assert.equal(await new Checkpoints(blobs, others).read(), undefined, "other keepers");
    await blobs.delete("keeper/0/2/0");
    await assert.rejects(new Checkpoints(blobs, keeper).read(), /keeper\/0\/2\/0 is missing/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** Writes a whole checkpoint with one part. */
async function write(checkpoints: Checkpoints, key: string, at: number): Promise<void> {
  checkpoints.begin();
  await checkpoints.writePart(part(key));
  await checkpoints.finish({ offsets: [at], lastRecords: [at], records: at });
}

Deno.test("a former owner replaces nothing of a later tenure, which is the one that is read", async () => {
  const blobs = new MemoryBlobStore();
  const [former, present] = [6, 7].map((tenure) => new Checkpoints(blobs, { ...keeper, tenure }));
  await write(former, "a", 1);
  assert.deepEqual((await present.read())?.parts, [part("a")], "it continues from there");
  await write(present, "b", 2);
  assert.deepEqual(await blobs.list("keeper/"), ["keeper/0/t7/2/0", "keeper/0/t7/index"]);
  await write(former, "late", 3);
  const later = new Checkpoints(blobs, { ...keeper, tenure: 8 });
  assert.deepEqual((await later.read())?.parts, [part("b")]);
  await write(later, "c", 4);
  const names = await blobs.list("keeper/");
  assert.ok(names.every((name) => name.startsWith("keeper/0/t8/")), `${names}`);
});

Deno.test("one process goes on with the checkpoint of a mesh, and a mesh with that of one process", async () => {
  const blobs = new MemoryBlobStore();
  await write(new Checkpoints(blobs, keeper), "alone", 1);
  const placed = new Checkpoints(blobs, { ...keeper, tenure: 3 });
  assert.deepEqual((await placed.read())?.parts, [part("alone")]);
  await write(placed, "placed", 2);
  const alone = new Checkpoints(blobs, keeper);
  assert.deepEqual((await alone.read())?.parts, [part("placed")]);
  await write(alone, "alone again", 3);
  assert.deepEqual((await new Checkpoints(blobs, keeper).read())?.parts, [part("alone again")]);
});

Deno.test("a checkpoint of another log, under a later tenure, is replaced", async () => {
  const blobs = new MemoryBlobStore();
  await write(new Checkpoints(blobs, { ...keeper, tenure: 9 }), "other log", 100);
  const anew = new Checkpoints(blobs, { ...keeper, tenure: 1 });
  assert.deepEqual((await anew.read())?.offsets, [100]);
  anew.replaceFound();
  await write(anew, "a", 1);
  assert.deepEqual((await new Checkpoints(blobs, keeper).read())?.parts, [part("a")]);
});

Deno.test("a checkpoint of other features, under a later tenure, is replaced", async () => {
  const blobs = new MemoryBlobStore();
  await write(new Checkpoints(blobs, { ...keeper, tenure: 9 }), "other features", 100);
  const other = { ...keeper, features: [], tenure: 1 };
  const anew = new Checkpoints(blobs, other);
  assert.equal(await anew.read(), undefined);
  await write(anew, "a", 1);
  const later = new Checkpoints(blobs, { ...other, tenure: 2 });
  assert.deepEqual((await later.read())?.parts, [part("a")]);
});

Deno.test("a former owner that replaces the checkpoints of another log keeps those of later owners", async () => {
  const blobs = new MemoryBlobStore();
  await write(new Checkpoints(blobs, { ...keeper, tenure: 9 }), "other log", 100);
  const former = new Checkpoints(blobs, { ...keeper, tenure: 1 });
  await former.read();
  former.replaceFound();
  const present = new Checkpoints(blobs, { ...keeper, tenure: 2 });
  await present.read();
  present.replaceFound();
  await write(present, "b", 2);
  await write(former, "late", 1);
  const later = new Checkpoints(blobs, { ...keeper, tenure: 3 });
  assert.deepEqual((await later.read())?.parts, [part("b")]);
});

Deno.test("a checkpoint that is replaced while it is read is read again", async () => {
  const blobs = new MemoryBlobStore();
  const former = new Checkpoints(blobs, { ...keeper, tenure: 1 });
  await write(former, "a", 1);
  const get = blobs.get.bind(blobs);
  let replaces = true;
  blobs.get = async (name) => {
    if (replaces && name.endsWith("/0")) {
      replaces = false;
      await write(former, "b", 2);
    }
    return await get(name);
  };
  const present = new Checkpoints(blobs, { ...keeper, tenure: 2 });
  assert.deepEqual((await present.read())?.parts, [part("b")]);
});

Deno.test("a checkpoint deletes what killed keepers left of longer checkpoints, of its own number too", async () => {
  const blobs = new UnfinishedBlobStore();
  await write(new Checkpoints(blobs, { ...keeper, tenure: 4 }), "a", 1);
  for (const left of ["t4/2/0", "t4/2/1", "t5/2/0", "t5/2/1"]) {
    await blobs.put(`keeper/0/${left}`, new Uint8Array(1));
    blobs.killIn(`keeper/0/${left}`);
  }
  blobs.killIn("keeper/0/t4/index");
  for (const name of ["keeper/0/t6/2/1", "keeper/1/t5/2/0"]) blobs.killIn(name);
  const checkpoints = new Checkpoints(blobs, { ...keeper, tenure: 5 });
  assert.equal(await checkpoints.hasLeftovers(), false, "nothing was read");
  assert.deepEqual((await checkpoints.read())?.parts, [part("a")]);
  assert.equal(await checkpoints.hasLeftovers(), true);
  await write(checkpoints, "b", 2);
  assert.deepEqual(await blobs.list("keeper/"), ["keeper/0/t5/2/0", "keeper/0/t5/index"]);
  const unfinished = await blobs.listUnfinished("keeper/");
  assert.deepEqual(unfinished, ["keeper/0/t6/2/1", "keeper/1/t5/2/0"], "those of other owners");
  const last = new Checkpoints(blobs, { ...keeper, tenure: 5 });
  await last.read();
  assert.equal(await last.hasLeftovers(), false);
});

Deno.test("a former owner has no leftovers beside the checkpoint of a later one", async () => {
  const blobs = new MemoryBlobStore();
  await write(new Checkpoints(blobs, { ...keeper, tenure: 7 }), "a", 1);
  await blobs.put("keeper/0/t7/2/0", new Uint8Array(1));
  const former = new Checkpoints(blobs, { ...keeper, tenure: 6 });
  await former.read();
  assert.equal(await former.hasLeftovers(), false, "the later one is writing");
});

import assert from "node:assert/strict";
import {
  claimName,
  FORMAT,
  keepSnapshots,
  listStored,
  manifestName,
  pinSnapshot,
  readManifests,
  type SnapshotManifest,
  writeManifest,
} from "../../records/snapshot_manifest.ts";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import { UnfinishedBlobStore } from "../unfinished_blob_store.ts";

const names = ["snapshots/000000000000001", "snapshots/000000000000002"] as const;

function manifest(name: string): SnapshotManifest {
  return { format: FORMAT, name, atMs: 1, trainers: [], shards: [] };
}

async function twoSnapshots(): Promise<MemoryBlobStore> {
  const blobs = new MemoryBlobStore();
  for (const name of names) await writeManifest(blobs, manifest(name));
  return blobs;
}

const damages: readonly [string, string][] = [
  ["cut", "{"],
  ["empty", ""],
  ["of another format", JSON.stringify({ ...manifest(names[0]), format: 3 })],
  ["null", "null"],
];

Deno.test("manifests are read as they were written, the newest first", async () => {
  assert.deepEqual(await readManifests(await twoSnapshots()), names.toReversed().map(manifest));
});

for (const [damage, text] of damages) {
  Deno.test(`a newest manifest that is ${damage} is an error that names its blob`, async () => {
    const blobs = await twoSnapshots();
    await blobs.put(manifestName(names[1]), new TextEncoder().encode(text));
    await assert.rejects(readManifests(blobs), {
      name: "SnapshotError",
      message: /snapshots\/000000000000002\/manifest\.json/,
    });
  });

  Deno.test(`an older manifest that is ${damage} is left out and told`, async () => {
    const blobs = await twoSnapshots();
    await blobs.put(manifestName(names[0]), new TextEncoder().encode(text));
    const told: string[] = [];
    const manifests = await readManifests(blobs, (error) => told.push((error as Error).message));
    assert.deepEqual(manifests, [manifest(names[1])]);
    assert.equal(told.length, 1);
    assert.match(told[0], /snapshots\/000000000000001\/manifest\.json/);
  });
}

/** Two snapshots, which are replaced by a newer one between the list and the read, so often. */
async function replaced(times: number) {
  const blobs = await twoSnapshots();
  const [get, list] = [blobs.get.bind(blobs), blobs.list.bind(blobs)];
  let at = 2;
  blobs.get = async (blob) => {
    if (at < 2 + times) {
      const before = await list("snapshots/");
      await writeManifest(blobs, manifest(`snapshots/00000000000000${++at}`));
      for (const name of before) await blobs.delete(name);
    }
    return await get(blob);
  };
  return blobs;
}

Deno.test("snapshots that newer ones replace while they are read are read again", async () => {
  const newest = manifest("snapshots/000000000000004");
  assert.deepEqual(await readManifests(await replaced(2)), [newest]);
  await assert.rejects(readManifests(await replaced(7)), {
    name: "SnapshotError",
    message: /it was deleted while it was read/,
  });
});

/** Two snapshots, and then a third, whose chain begins in the first; `name` cannot be read. */
async function unreadable(name: string) {
  const blobs = await twoSnapshots();
  const member = (snapshot: string) => ({
    header: { name: `${snapshot}/shard-0/header`, bytes: 1, checksum: 1 },
    chunks: [],
    cut: {},
  });
  const [first, second] = names;
  const third = "snapshots/000000000000003";
  for (const each of [first, second]) await blobs.put(member(each).header.name, new Uint8Array(1));
  await writeManifest(blobs, {
    ...manifest(second),
    shards: [{ shard: 0, ...member(second), earlier: [member(first)] }],
  });
  await writeManifest(blobs, manifest(third));
  const get = blobs.get.bind(blobs);
  blobs.get = (blob) =>
    blob === manifestName(name) ? Promise.reject(new Error("no answer")) : get(blob);
  return { blobs, kept: [manifest(third)] };
}

Deno.test("an older manifest that the store does not give is not taken for a damaged one", async () => {
  const { blobs } = await unreadable(names[1]);
  await assert.rejects(readManifests(blobs), /no answer/);
});

Deno.test("nothing is deleted while a pinned snapshot's chain cannot be read", async () => {
  const { blobs, kept } = await unreadable(names[1]);
  await pinSnapshot(blobs, names[1]);
  const before = await blobs.list("");
  await assert.rejects(keepSnapshots(blobs, kept), /no answer/);
  assert.deepEqual(await blobs.list(""), before);
});

Deno.test("the bytes of unfinished puts are told, and go with the next snapshot", async () => {
  const blobs = new UnfinishedBlobStore();
  const [first, second] = names;
  const third = "snapshots/000000000000003";
  await writeManifest(blobs, manifest(first));
  blobs.killIn(`${first}/pinned`);
  for (const part of ["trainer/0", "manifest.json"]) blobs.killIn(`${second}/${part}`);
  blobs.killIn("keeper/0/index");
  const stored = await listStored(blobs);
  assert.deepEqual(stored.map(({ name, unfinishedParts }) => [name, unfinishedParts]), [
    [second, [`${second}/trainer/0`]],
    [first, []],
  ]);
  await keepSnapshots(blobs, [manifest(first)]);
  const later = [`${second}/manifest.json`, `${second}/trainer/0`];
  assert.deepEqual(
    (await blobs.listUnfinished("")).toSorted(),
    ["keeper/0/index", ...later].toSorted(),
    "the next snapshot may be on its way, from another host",
  );
  await writeManifest(blobs, manifest(third));
  await keepSnapshots(blobs, [manifest(third)]);
  assert.deepEqual(await blobs.listUnfinished(""), ["keeper/0/index"], "of no snapshot");
  assert.deepEqual(await blobs.list(""), [manifestName(third)]);
});

Deno.test("the parts of a later snapshot stay: another host may write it", async () => {
  const blobs = new MemoryBlobStore();
  const [first, second] = names;
  await writeManifest(blobs, manifest(first));
  await blobs.put(`${second}/trainer/0`, new Uint8Array(1));
  await keepSnapshots(blobs, [manifest(first)]);
  assert.ok((await blobs.list("")).includes(`${second}/trainer/0`));
});

Deno.test("a claim is no part of its snapshot, and goes with the first that is finished from it on", async () => {
  const blobs = await twoSnapshots();
  for (const name of names) await claimName(blobs, name);
  assert.deepEqual((await listStored(blobs)).map(({ parts }) => parts), [[], []]);
  await keepSnapshots(blobs, [manifest(names[1])]);
  assert.deepEqual(await blobs.list(""), [manifestName(names[1])]);
});

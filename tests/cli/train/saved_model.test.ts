/** The contents of the folder of --save after training, successful or not. */
import assert from "node:assert/strict";
import { FORMAT, writeManifest } from "../../../records/snapshot_manifest.ts";
import { loadConfiguration } from "../../../cli/load_configuration.ts";
import { openSavedModel, requireEmptyFolder } from "../../../cli/train/saved_model.ts";

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-saved-" });
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const open = (folder: string) =>
  openSavedModel(folder, "examples/movies.yaml", { assignments: ["model.embeddingDim=8"] });
const namesIn = async (folder: string) =>
  (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();

Deno.test("a folder has its configuration only once a model is whole in it", async () => {
  await withFolder(async (folder) => {
    const saved = await open(folder);
    await saved.blobs.put("snapshots/1/shard-0/header", Uint8Array.of(1));
    assert.deepEqual(await namesIn(folder), ["blobs", "lock"]);
    const manifest = { name: "snapshots/1", atMs: 1, trainers: [], shards: [] };
    await writeManifest(saved.blobs, { format: FORMAT, ...manifest });
    assert.equal(await saved.close(), `${folder}/cairn.yaml`);
    assert.match(await Deno.readTextFile(`${folder}/cairn.yaml`), /embeddingDim: 8/);
    await assert.rejects(requireEmptyFolder(folder), /it holds/);
  });
});

Deno.test("without a whole model a folder is as it was before: empty, or not there", async () => {
  await withFolder(async (parent) => {
    for (const folder of [parent, `${parent}/new`]) {
      const saved = await open(folder);
      await saved.blobs.put("snapshots/1/shard-0/header", Uint8Array.of(1));
      assert.equal(await saved.close(), undefined);
      await requireEmptyFolder(folder);
    }
    assert.deepEqual(await namesIn(parent), []);
  });
});

Deno.test("a model that was trained with the file of a mesh is served by one process", async () => {
  await withFolder(async (folder) => {
    const assignments = ["storage.redis.url=redis://localhost:6379"];
    const saved = await openSavedModel(folder, "examples/mesh.yaml", { assignments });
    const manifest = { name: "snapshots/1", atMs: 1, trainers: [], shards: [] };
    await writeManifest(saved.blobs, { format: FORMAT, ...manifest });
    const file = await saved.close();
    const { mesh, storage } = await loadConfiguration(file ?? "");
    assert.equal(mesh, undefined);
    assert.ok(storage.kind === "directory");
    assert.deepEqual([storage.path, storage.redis], [folder, undefined]);
  });
});

import assert from "node:assert/strict";
import { S3BlobStore } from "../../mesh/adapters/s3/s3_blob_store.ts";
import { withMoto } from "../mesh/adapters/s3/moto.ts";
import { eventually, MeshProcess } from "./mesh_process.ts";
import { type PlacementName, placements, smallConfiguration } from "./small_mesh.ts";

await withMoto(({ endpoint, keys, makeBucket }) => {
  for (const placement of Object.keys(placements) as PlacementName[]) {
    Deno.test(`a restart resumes from the snapshot in a bucket, ${placement}`, async () => {
      const bucket = await makeBucket();
      const directory = Deno.makeTempDirSync();
      const path = `${directory}/cairn.yaml`;
      const s3 = `{ endpoint: "${endpoint}", bucket: ${bucket}, prefix: cairn/, ` +
        `accessKeyId: ${keys.accessKeyId}, secretAccessKey: ${keys.secretAccessKey} }`;
      const storage = `{ kind: directory, path: data, s3: ${s3} }`;
      Deno.writeTextFileSync(path, smallConfiguration(placement, storage));
      try {
        const shown = ["c1", "d1"];
        const first = await MeshProcess.start(path);
        const { rankingId } = await first.client.rank("cat", shown);
        const events = shown.map((item) => ({ eventId: item, rankingId, item, action: "click" }));
        await first.client.post(events);
        const learned = (mesh: MeshProcess) => mesh.metric("cairn_trainer_rows_learned");
        assert.ok(await eventually(async () => await learned(first) === events.length));
        const { success } = await first.kill("SIGTERM");
        assert.ok(success, "told to stop, it takes a last snapshot");
        const blobs = new S3BlobStore({ endpoint, bucket, prefix: "cairn/", ...keys });
        const names = await blobs.list("snapshots/");
        assert.ok(names.some((name) => name.endsWith("/manifest.json")), names.join());
        const second = await MeshProcess.start(path);
        assert.ok(await eventually(async () => await learned(second) === events.length));
        const again = await second.metric("cairn_trainer_examples_total");
        assert.equal(again, 0, "the snapshot holds everything");
        await second.kill("SIGTERM");
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    });
  }
});

/**
 * Goal: a host whose blob store is not that of its mesh is refused at its start, also where several
 * hosts start at once; stores that no mesh has used are taken.
 */
import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import type { Coordination } from "../../mesh/ports/coordination.ts";
import { listMarks, putMark } from "../../records/mesh_mark.ts";
import { manifestName } from "../../records/snapshot_manifest.ts";
import { blobsPlaceOf, OtherBlobsError, requireOwnBlobs } from "../../server/own_blobs.ts";

/** A mesh, and the starts of its hosts. */
class MeshOfHosts {
  #markedBy: string | undefined;
  readonly #mesh: string;

  constructor(mesh = "m1") {
    this.#mesh = mesh;
  }

  /** A host starts with this store. */
  start(host: string, blobs: MemoryBlobStore): Promise<void> {
    return requireOwnBlobs({
      blobs,
      coordination: this as Pick<Coordination, "markBlobs"> as Coordination,
      identity: {
        mesh: this.#mesh,
        ...(this.#markedBy !== undefined && { blobsMarkedBy: this.#markedBy }),
      },
      host,
      place: "storage.path (/data)",
    });
  }

  markBlobs(host: string): Promise<string> {
    return Promise.resolve(this.#markedBy ??= host);
  }
}

Deno.test("hosts with one store start one after another, and again", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  for (const host of ["a", "b", "a"]) await mesh.start(host, blobs);
  assert.deepEqual(await listMarks(blobs), [{ mesh: "m1", host: "a" }]);
});

Deno.test("hosts with one store that start at once leave one mark", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  await Promise.all(["a", "b", "c"].map((host) => mesh.start(host, blobs)));
  assert.equal((await listMarks(blobs)).length, 1);
});

Deno.test("a host with another store is refused, whether it starts later or at once", async () => {
  const later = new MeshOfHosts();
  await later.start("a", new MemoryBlobStore());
  await assert.rejects(later.start("b", new MemoryBlobStore()), {
    name: "OtherBlobsError",
    message:
      "storage.path (/data) is not the store of this mesh: it lacks the mark of the host a. Give all " +
      "hosts the same directory or bucket, and see whether its volume is mounted. Where the store " +
      "was emptied or made anew, `cairn recover --accept-loss` lets the hosts begin with it.",
  });
  const atOnce = new MeshOfHosts();
  const starts = await Promise.allSettled(
    ["a", "b"].map((host) => atOnce.start(host, new MemoryBlobStore())),
  );
  assert.deepEqual(starts.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

Deno.test("the store of another mesh is refused and keeps its mark alone", async () => {
  const blobs = new MemoryBlobStore();
  await new MeshOfHosts("m1").start("a", blobs);
  await blobs.put(manifestName("snapshots/000000000000001"), new Uint8Array());
  await assert.rejects(new MeshOfHosts("m2").start("b", blobs), OtherBlobsError);
  assert.deepEqual(await listMarks(blobs), [{ mesh: "m1", host: "a" }]);
});

Deno.test("a store without snapshots is free, as after the loss of a mesh that had just begun", async () => {
  const blobs = new MemoryBlobStore();
  await new MeshOfHosts("m1").start("a", blobs);
  await new MeshOfHosts("m2").start("b", blobs);
  assert.deepEqual(await listMarks(blobs), [{ mesh: "m2", host: "b" }]);
});

Deno.test("a host whose mark the mesh took before it was killed goes on", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  await putMark(blobs, { mesh: "m1", host: "a" });
  await mesh.markBlobs("a");
  await mesh.start("b", blobs);
});

Deno.test("the place of the blobs is named as in the configuration", () => {
  const s3 = { endpoint: "http://s3", region: "eu", bucket: "movies", prefix: "shop/" };
  const directory = { kind: "directory", path: "/data" };
  const placeOf = (storage: object) => blobsPlaceOf(storage as Parameters<typeof blobsPlaceOf>[0]);
  assert.equal(placeOf(directory), "storage.path (/data)");
  assert.equal(placeOf({ ...directory, s3 }), "storage.s3 (bucket movies, prefix shop/)");
  assert.equal(placeOf({ ...directory, s3: { ...s3, prefix: "" } }), "storage.s3 (bucket movies)");
});

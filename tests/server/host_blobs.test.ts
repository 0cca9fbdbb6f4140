/**
 * Goal: a host whose blob store is not that of its mesh is refused at its start, also where several
 * hosts start at once, and two meshes in one store are told from each other.
 */
import assert from "node:assert/strict";
import { MemoryBlobStore } from "../../mesh/adapters/memory/memory_blob_store.ts";
import type { AcceptedBlobs } from "../../mesh/ports/coordination.ts";
import { listMarks, putMark } from "../../records/mesh_mark.ts";
import { readOwnManifests } from "../../records/own_blobs.ts";
import {
  FORMAT,
  listSnapshots,
  manifestName,
  type SnapshotManifest,
  writeManifest,
} from "../../records/snapshot_manifest.ts";
import { blobsPlaceOf, HostBlobs } from "../../server/host_blobs.ts";
import { meshView } from "../mesh/placement/mesh_view.ts";

const NOT_MOUNTED = /is not the store of this mesh: .* see whether its volume is mounted/;

function manifest(name: string): SnapshotManifest {
  return { format: FORMAT, name, atMs: 1, trainers: [], shards: [] };
}

/** A mesh, and its hosts with their stores. */
class MeshOfHosts {
  readonly #mesh: string;
  #mark: string | undefined;
  #oldest: string | undefined;
  #starts = 0;

  constructor(mesh = "m1") {
    this.#mesh = mesh;
  }

  /** A host starts with this store. */
  start(host: string, blobs: MemoryBlobStore): Promise<void> {
    return this.#blobsOf(host, blobs).require(this.#owner());
  }

  /** A snapshot is finished. */
  async snapshot(host: string, blobs: MemoryBlobStore): Promise<void> {
    await this.#blobsOf(host, blobs).markForSnapshot(this.#owner());
    const name = `snapshots/00000000000000${this.#starts}`;
    await writeManifest(blobs, manifest(name));
    this.#oldest ??= name;
  }

  /** The operator runs `cairn recover --accept-loss` where this store is. */
  async recover(blobs: MemoryBlobStore): Promise<void> {
    const acceptLoss = ({ mark, newestSnapshot }: AcceptedBlobs) => {
      [this.#mark, this.#oldest] = [mark, newestSnapshot];
      return Promise.resolve();
    };
    const [newestSnapshot] = await listSnapshots(blobs);
    await this.#blobsOf("operator", blobs).accept({
      coordination: { acceptLoss },
      mesh: this.#mesh,
      newestSnapshot,
      examplesFrom: [],
    });
  }

  /** A part begins on a host with this store; resolves with the snapshot that it begins from. */
  async restore(blobs: MemoryBlobStore): Promise<string | undefined> {
    const view = {
      identity: { ...meshView().identity, ...this.#owner().identity },
      oldestSnapshot: this.#oldest,
      examplesFrom: undefined,
    };
    const own = this.#blobsOf("a", blobs).ownBlobsOf(view);
    return (await readOwnManifests(blobs, own)).at(0)?.name;
  }

  #owner() {
    const identity = { mesh: this.#mesh, ...(this.#mark && { blobsMark: this.#mark }) };
    const markBlobs = (mark: string) => Promise.resolve(this.#mark ??= mark);
    return { coordination: { markBlobs }, identity };
  }

  #blobsOf(host: string, blobs: MemoryBlobStore): HostBlobs {
    const run = { host, incarnation: `${this.#mesh}-${host}-${++this.#starts}` };
    return new HostBlobs({ blobs, place: "storage.path (/data)", run });
  }
}

/** Two meshes, and a store for both. */
function twoMeshes() {
  return {
    first: new MeshOfHosts("m1"),
    second: new MeshOfHosts("m2"),
    blobs: new MemoryBlobStore(),
  };
}

Deno.test("hosts with one store start one after another, and again", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  for (const host of ["a", "b", "a"]) await mesh.start(host, blobs);
  assert.deepEqual(await listMarks(blobs), [{ mesh: "m1", mark: "m1-a-1" }]);
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
    message: NOT_MOUNTED,
  });
  const atOnce = new MeshOfHosts();
  const starts = await Promise.allSettled(
    ["a", "b"].map((host) => atOnce.start(host, new MemoryBlobStore())),
  );
  assert.deepEqual(starts.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

Deno.test("a store with the snapshots of another mesh is refused with the name of its host", async () => {
  const { first, second, blobs } = twoMeshes();
  await first.start("a", blobs);
  await first.snapshot("a", blobs);
  await assert.rejects(
    second.start("b", blobs),
    /store of another mesh, of which a is a host\. Where this host is to join that mesh, correct storage\.redis\.url/,
  );
  await first.start("a", blobs);
});

Deno.test("of two meshes that begin in one store, the first one with a snapshot keeps it", async () => {
  const { first, second, blobs } = twoMeshes();
  await first.start("a", blobs);
  await second.start("b", blobs);
  await assert.rejects(first.start("a", blobs), /of another mesh, of which b is a host/);
  await first.snapshot("a", blobs);
  await first.start("a", blobs);
  await assert.rejects(second.snapshot("b", blobs), /of another mesh, of which a is a host/);
  await assert.rejects(second.start("b", blobs), /of another mesh, of which a is a host/);
});

Deno.test("a store without snapshots is free, as after the loss of a mesh that had just begun", async () => {
  const { first, second, blobs } = twoMeshes();
  await first.start("a", blobs);
  await second.start("b", blobs);
  assert.deepEqual(await listMarks(blobs), [{ mesh: "m2", mark: "m2-b-1" }]);
});

Deno.test("after a recovery one store is that of the mesh, whatever marks others have", async () => {
  const [mesh, before, now] = [new MeshOfHosts(), new MemoryBlobStore(), new MemoryBlobStore()];
  await mesh.start("a", before);
  await putMark(now, { mesh: "m0", mark: "another" }, "c");
  await mesh.recover(now);
  assert.equal((await listMarks(now)).length, 1);
  await mesh.start("a", now);
  await assert.rejects(mesh.start("b", before), { message: NOT_MOUNTED });
  await mesh.start("b", now);
});

Deno.test("a snapshot marks a store that was emptied, or that no host could mark before", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  await mesh.start("a", new MemoryBlobStore());
  await mesh.snapshot("a", blobs);
  await mesh.start("b", blobs);
  const unmarked = new MeshOfHosts();
  await unmarked.snapshot("a", new MemoryBlobStore());
  await assert.rejects(unmarked.start("b", new MemoryBlobStore()), { message: NOT_MOUNTED });
});

Deno.test("a part begins neither from a volume that is gone nor without the snapshots that are kept", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  await mesh.start("a", blobs);
  assert.equal(await mesh.restore(blobs), undefined, "the first start");
  await mesh.snapshot("a", blobs);
  await mesh.snapshot("a", blobs);
  await mesh.restore(blobs);
  await assert.rejects(mesh.restore(new MemoryBlobStore()), {
    name: "OtherBlobsError",
    message: NOT_MOUNTED,
  });
  const [oldest, newest] = await blobs.list("snapshots/");
  await blobs.delete(newest);
  assert.equal(manifestName(await mesh.restore(blobs) ?? ""), oldest);
  await blobs.delete(oldest);
  await writeManifest(blobs, manifest("snapshots/000000000000000"));
  await assert.rejects(mesh.restore(blobs), {
    name: "SnapshotsLostError",
    message:
      /\(\/data\) lacks snapshots\/00000000000000\d and .* newest is snapshots\/0+\. .* recover/,
  });
  await mesh.recover(blobs);
  await mesh.restore(blobs);
});

Deno.test("the operator lets a mesh begin without snapshots", async () => {
  const [mesh, blobs] = [new MeshOfHosts(), new MemoryBlobStore()];
  await mesh.start("a", blobs);
  await mesh.snapshot("a", blobs);
  for (const name of await blobs.list("")) await blobs.delete(name);
  await assert.rejects(mesh.restore(blobs), { name: "OtherBlobsError" });
  await mesh.recover(blobs);
  await mesh.restore(blobs);
});

Deno.test("the place of the blobs is named as in the configuration", () => {
  const s3 = { endpoint: "http://s3", region: "eu", bucket: "movies", prefix: "shop/" };
  const directory = { kind: "directory", path: "/data" };
  const placeOf = (storage: object) => blobsPlaceOf(storage as Parameters<typeof blobsPlaceOf>[0]);
  assert.equal(placeOf(directory), "storage.path (/data)");
  assert.equal(placeOf({ ...directory, s3 }), "storage.s3 (bucket movies, prefix shop/)");
  assert.equal(placeOf({ ...directory, s3: { ...s3, prefix: "" } }), "storage.s3 (bucket movies)");
});

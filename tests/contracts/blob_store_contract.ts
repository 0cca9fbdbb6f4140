/**
 * The promises of every blob store; the test of each adapter runs them.
 */
import assert from "node:assert/strict";
import type { BlobStore } from "../../mesh/ports/blob_store.ts";

export interface BlobStoreUnderTest {
  readonly store: BlobStore;
  dispose(): Promise<void>;
}

const bytes = (...values: number[]) => new Uint8Array(values);

export function blobStoreContract(adapter: string, open: () => Promise<BlobStoreUnderTest>): void {
  const test = (name: string, run: (store: BlobStore) => Promise<void>) =>
    Deno.test(`${adapter}: ${name}`, async () => {
      const { store, dispose } = await open();
      try {
        await run(store);
      } finally {
        await dispose();
      }
    });

  test("a blob is read back as it was put, and a second put replaces it", async (store) => {
    await store.put("snapshots/1/shard-0", bytes(1, 2, 3));
    assert.deepEqual(await store.get("snapshots/1/shard-0"), bytes(1, 2, 3));
    await store.put("snapshots/1/shard-0", bytes(9));
    assert.deepEqual(await store.get("snapshots/1/shard-0"), bytes(9));
    assert.equal(await store.get("snapshots/1/shard-1"), undefined);
  });

  test("names are listed by prefix, ascending", async (store) => {
    for (const name of ["b/2", "a", "b/10", "b/1/x", "bc", "odd.tmp"]) {
      await store.put(name, bytes(0));
    }
    assert.deepEqual(await store.list("b/"), ["b/1/x", "b/10", "b/2"]);
    assert.deepEqual(await store.list("b"), ["b/1/x", "b/10", "b/2", "bc"]);
    assert.deepEqual(await store.list(""), ["a", "b/1/x", "b/10", "b/2", "bc", "odd.tmp"]);
    assert.deepEqual(await store.list("none"), []);
  });

  test("a deleted blob is gone, and deleting it again is no error", async (store) => {
    await store.put("x", bytes(1));
    await store.delete("x");
    await store.delete("x");
    assert.equal(await store.get("x"), undefined);
    assert.deepEqual(await store.list(""), []);
  });

  test("a blob that was put is not unfinished, and stays when unfinished puts are deleted", async (store) => {
    await store.put("a/b", bytes(1));
    await store.put("a/b", bytes(2));
    assert.deepEqual(await store.listUnfinished(""), []);
    for (const name of ["a/b", "a", "none"]) await store.deleteUnfinished(name);
    assert.deepEqual(await store.get("a/b"), bytes(2));
  });

  test("empty and large blobs survive, and the caller keeps its bytes", async (store) => {
    const large = new Uint8Array(3_000_000).map((_, i) => i % 253);
    const copy = large.slice();
    await store.put("large", large);
    large.fill(0);
    await store.put("empty", bytes());
    assert.deepEqual(await store.get("large"), copy);
    assert.deepEqual(await store.get("empty"), bytes());
  });
}

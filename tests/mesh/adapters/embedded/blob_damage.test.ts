import assert from "node:assert/strict";
import fc from "fast-check";
import { DirectoryBlobStore } from "../../../../mesh/adapters/embedded/directory_blob_store.ts";
import { BlobDamagedError } from "../../../../mesh/ports/blob_store.ts";

Deno.test("any byte flipped, any length cut and any byte added in a blob's file is an error that names it", async () => {
  const directory = Deno.makeTempDirSync();
  const store = new DirectoryBlobStore(directory);
  const path = `${directory}/snapshots/1/manifest.json`;
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(),
      fc.constantFrom("flip", "cut", "add"),
      async (bytes, n, kind) => {
        await store.put("snapshots/1/manifest.json", bytes);
        assert.deepEqual(await store.get("snapshots/1/manifest.json"), Uint8Array.from(bytes));
        const file = Deno.readFileSync(path);
        if (kind === "flip") file[n % file.length] ^= 1 << (n % 8);
        const changed = kind === "cut"
          ? file.subarray(0, n % file.length)
          : kind === "add"
          ? Uint8Array.from([...file, n % 256])
          : file;
        Deno.writeFileSync(path, changed);
        const error = await store.get("snapshots/1/manifest.json").catch((reason) => reason);
        assert.ok(error instanceof BlobDamagedError);
        assert.ok(error.message.includes(path), error.message);
      },
    ),
    { numRuns: 60 },
  );
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("a blob has memory of its own, of its length", async () => {
  const directory = Deno.makeTempDirSync();
  const store = new DirectoryBlobStore(directory);
  await store.put("part", new Uint8Array(Float32Array.of(1, 2).buffer));
  const blob = await store.get("part");
  assert.deepEqual([...new Float32Array(blob?.buffer as ArrayBuffer)], [1, 2]);
  Deno.removeSync(directory, { recursive: true });
});

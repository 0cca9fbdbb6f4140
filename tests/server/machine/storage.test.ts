import assert from "node:assert/strict";
import { openStorage, type OpenStorageOptions } from "../../../server/machine/storage.ts";
import { DataDirectoryError } from "../../../mesh/adapters/embedded/data_directory.ts";

/** Opens the stores of a directory with so many partitions. */
function open(
  path: string,
  partitions: OpenStorageOptions["partitions"],
  onProfilesMissing: (path: string) => void = () => {},
) {
  const storage = {
    kind: "directory",
    path,
    logBytesMax: 1 << 24,
    profilesCachedMax: 10,
    snapshots: { intervalMs: 60_000, retained: 2, chunkRows: 64, budgetMs: 1_000 },
  } as unknown as Parameters<typeof openStorage>[0]["storage"];
  return openStorage({
    storage,
    mesh: "cairn",
    isOnlyProcess: true,
    knownMs: 1_000,
    partitions,
    manyThreads: false,
    onProfilesMissing,
  });
}

Deno.test("another number of partitions is refused in the words of the configuration, and the right one opens", async () => {
  const path = Deno.makeTempDirSync();
  try {
    const first = await open(path, { events: 3, examples: 6 });
    await first.exampleLog.append(5, [Uint8Array.of(7)]);
    await first.close();
    const refusals = [
      [{ events: 1, examples: 6 }, /^joiner.partitions is 1, and .*\/events was .* 3: .* to 3, or/],
      [
        { events: 3, examples: 9 },
        /^trainer.partitions is 9, and .*\/examples was .* 6: .* to 6, or/,
      ],
    ] as const;
    for (const [partitions, message] of refusals) {
      const error = await open(path, partitions).catch((error) => error);
      assert.ok(error instanceof DataDirectoryError);
      assert.match(error.message, message);
    }
    const again = await open(path, { events: 3, examples: 6 }); // the lock was let go
    assert.equal(await again.exampleLog.endOffset(5), 1);
    await again.close();
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("profiles that are missing in a used directory are reported, and in a new one are not", async () => {
  const path = Deno.makeTempDirSync();
  try {
    const missing: string[] = [];
    const openOnce = async () =>
      await (await open(path, { events: 1, examples: 1 }, (file) => missing.push(file))).close();
    await openOnce();
    await openOnce();
    assert.deepEqual(missing, []);
    Deno.removeSync(`${path}/profiles.db`);
    await openOnce();
    assert.deepEqual(missing, [`${path}/profiles.db`]);
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

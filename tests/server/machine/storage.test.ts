import assert from "node:assert/strict";
import { openStorage } from "../../../server/machine/storage.ts";
import { DataDirectoryError } from "../../../mesh/adapters/embedded/data_directory.ts";

/** Opens the stores of a directory for so many trainers. */
function open(
  path: string,
  trainers: number,
  onProfilesMissing: (path: string) => void = () => {},
) {
  const storage = {
    kind: "directory",
    path,
    logBytesMax: 1 << 24,
    profilesCachedMax: 10,
    snapshots: { intervalMs: 60_000, kept: 2, chunkRows: 64, budgetMs: 1_000 },
  } as unknown as Parameters<typeof openStorage>[0]["storage"];
  return openStorage({
    storage,
    mesh: "cairn",
    knownMs: 1_000,
    examplePartitions: trainers,
    manyThreads: false,
    onProfilesMissing,
  });
}

Deno.test("another trainer.count is refused in the words of the configuration, and the right one opens", async () => {
  const path = Deno.makeTempDirSync();
  try {
    const first = await open(path, 3);
    await first.exampleLog.append(2, [Uint8Array.of(7)]);
    await first.close();
    for (const trainers of [1, 4]) {
      const error = await open(path, trainers).catch((error) => error);
      assert.ok(error instanceof DataDirectoryError);
      assert.match(
        error.message,
        new RegExp(`^trainer.count is ${trainers}, and .*/examples was written for 3: .* to 3, or`),
      );
    }
    const again = await open(path, 3); // the lock was let go
    assert.equal(await again.exampleLog.endOffset(2), 1);
    await again.close();
  } finally {
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("profiles that are missing in a used directory are reported, and in a new one are not", async () => {
  const path = Deno.makeTempDirSync();
  try {
    const missing: string[] = [];
    const openOnce = async () => await (await open(path, 1, (file) => missing.push(file))).close();
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

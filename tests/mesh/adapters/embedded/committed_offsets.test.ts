import assert from "node:assert/strict";
import { CommittedOffsets } from "../../../../mesh/adapters/embedded/committed_offsets.ts";

Deno.test("a failed commit rejects its own caller, and the next commit writes its offset too", async () => {
  const directory = Deno.makeTempDirSync();
  try {
    const folder = `${directory}/offsets`;
    const offsets = new CommittedOffsets(folder);
    await offsets.set("reader", 0, 1);
    Deno.renameSync(folder, `${directory}/away`);
    await assert.rejects(offsets.set("reader", 1, 2), Deno.errors.NotFound);
    Deno.renameSync(`${directory}/away`, folder);
    await offsets.set("reader", 0, 3);
    await offsets.settle();
    const reopened = new CommittedOffsets(folder);
    assert.deepEqual([reopened.get("reader", 0), reopened.get("reader", 1)], [3, 2]);
    Deno.renameSync(folder, `${directory}/away`);
    await assert.rejects(reopened.set("reader", 0, 4), Deno.errors.NotFound);
    await reopened.settle(); // the failure was the caller's alone
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});

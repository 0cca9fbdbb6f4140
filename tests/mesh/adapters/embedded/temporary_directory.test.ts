import assert from "node:assert/strict";
import { openDataDirectory } from "../../../../mesh/adapters/embedded/data_directory.ts";
import { makeTemporaryDirectory } from "../../../../mesh/adapters/embedded/temporary_directory.ts";
import { runUntilKilled } from "./killed_process.ts";

Deno.test("the temporary data of a killed process is removed by the next one, and that of a running one stays", async () => {
  const parent = Deno.makeTempDirSync();
  try {
    const names = () => [...Deno.readDirSync(parent)].map(({ name }) => name);
    const running = makeTemporaryDirectory(Date.now(), parent);
    const held = openDataDirectory(running);
    await runUntilKilled((root) => `
      import { openDataDirectory } from "${root}mesh/adapters/embedded/data_directory.ts";
      import { makeTemporaryDirectory } from
        "${root}mesh/adapters/embedded/temporary_directory.ts";
      const path = makeTemporaryDirectory(Date.now(), "${parent}");
      openDataDirectory(path);
      Deno.writeTextFileSync(path + "/records", "ann.the-erased-visitor@example.org");
      console.log(path);
      setInterval(() => {}, 1_000);
    `);
    Deno.mkdirSync(`${parent}/cairn-memory-without-a-lock`);
    Deno.mkdirSync(`${parent}/cairn-memory-with-a-folder/lock`, { recursive: true });
    Deno.mkdirSync(`${parent}/other`);
    const lock = Deno.makeTempDirSync({ prefix: "cairn-memory-", dir: parent });
    Deno.writeTextFileSync(`${lock}/lock`, "");
    assert.equal(names().length, 6);
    const soon = makeTemporaryDirectory(Date.now(), parent);
    assert.equal(names().length, 7, "a directory may be locked a moment after it is made");
    Deno.removeSync(soon);
    const next = makeTemporaryDirectory(Date.now() + 3_600_000, parent);
    const left = [
      "cairn-memory-with-a-folder",
      "cairn-memory-without-a-lock",
      "other",
      running,
      next,
    ].map((path) => path.slice(path.lastIndexOf("/") + 1));
    assert.deepEqual(names().sort(), left.sort());
    held.release();
  } finally {
    Deno.removeSync(parent, { recursive: true });
  }
});

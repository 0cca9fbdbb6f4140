/**
 * The bytes of puts that have not ended: of killed processes, and of puts in progress.
 */
import assert from "node:assert/strict";
import { denoFiles } from "../../../../mesh/adapters/deno/deno_files.ts";
import { DirectoryBlobStore } from "../../../../mesh/adapters/embedded/directory_blob_store.ts";
import { deleteUnfinishedPuts } from "../../../../mesh/ports/blob_store.ts";
import type { Files } from "../../../../mesh/ports/files.ts";
import { holdsBytes } from "../../../../structures/byte_search.ts";
import { runUntilKilled } from "./killed_process.ts";

const SECRET = "ann.the-erased-visitor@example.org";
const secret = new TextEncoder().encode(SECRET);

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync();
  try {
    await run(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Paths below a directory of the files that have the secret. */
function filesWithSecret(directory: string): string[] {
  return [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    if (isDirectory) return filesWithSecret(path);
    return holdsBytes(Deno.readFileSync(path), secret) ? [path] : [];
  });
}

/** Files whose renames wait until they are released. */
function slowRenames() {
  const renames: (() => void)[] = [];
  const files: Files = {
    ...denoFiles,
    rename: async (from, to) => {
      await new Promise<void>((release) => renames.push(release));
      await denoFiles.rename(from, to);
    },
  };
  return { files, renames };
}

Deno.test("the bytes of a put whose process is killed are listed, and deleted from the disk", () =>
  withDirectory(async (directory) => {
    const store = new DirectoryBlobStore(directory);
    await store.put("snapshots/1/shard-0/header", Uint8Array.of(1));
    await runUntilKilled((root) => `
      import { denoFiles } from "${root}mesh/adapters/deno/deno_files.ts";
      import { DirectoryBlobStore } from
        "${root}mesh/adapters/embedded/directory_blob_store.ts";
      const rename = () => {
        console.log("written");
        return new Promise(() => setInterval(() => {}, 1_000));
      };
      const store = new DirectoryBlobStore("${directory}", { ...denoFiles, rename });
      await store.put(
        "snapshots/1/shard-0/chunk-00000",
        new TextEncoder().encode("${SECRET} ".repeat(10_000)),
      );
    `);
    const [left, ...others] = filesWithSecret(directory);
    assert.match(left, /shard-0\/chunk-00000\.\d+-[0-9a-f]{8}-0\.tmp$/);
    assert.deepEqual(others, []);
    assert.deepEqual(await store.list(""), ["snapshots/1/shard-0/header"]);
    const name = "snapshots/1/shard-0/chunk-00000";
    assert.deepEqual(await store.listUnfinished("snapshots/1/"), [name]);
    assert.deepEqual(await store.listUnfinished("snapshots/2/"), []);

    await store.delete(name);
    await store.deleteUnfinished("snapshots/1/shard-0/header");
    assert.deepEqual(await store.listUnfinished(""), [name], "they were other names");
    await store.deleteUnfinished(name);
    assert.deepEqual(filesWithSecret(directory), []);
    assert.deepEqual(await store.listUnfinished(""), []);
    await store.delete("snapshots/1/shard-0/header");
    assert.deepEqual([...Deno.readDirSync(directory)], [], "and the folders are gone");
  }));

Deno.test("a put in progress is unfinished, and fails when its bytes are deleted", () =>
  withDirectory(async (directory) => {
    const { files, renames } = slowRenames();
    const store = new DirectoryBlobStore(directory, files);
    const put = store.put("keeper/0/index", secret).catch((error) => error.message);
    while (renames.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.deepEqual(await store.listUnfinished("keeper/"), ["keeper/0/index"]);
    await deleteUnfinishedPuts(store, "keeper/");
    renames[0]();
    assert.match(
      await put,
      /keeper\/0\/index: its temporary file was removed .* Write it again\.$/,
    );
    assert.deepEqual([await store.list(""), filesWithSecret(directory)], [[], []]);
    const again = store.put("keeper/0/index", secret);
    while (renames.length === 1) await new Promise((resolve) => setTimeout(resolve, 1));
    renames[1]();
    await again;
    assert.deepEqual(await store.get("keeper/0/index"), secret);
  }));

Deno.test("unfinished puts of names that begin alike are apart", () =>
  withDirectory(async (directory) => {
    const names = ["a", "a.b", "a.tmp", "a/b", "a.7-0", "ä b"];
    const store = new DirectoryBlobStore(directory);
    const { files, renames } = slowRenames();
    const writing = new DirectoryBlobStore(directory, files);
    // A folder and a file cannot have one name.
    const puts = names.filter((name) => name !== "a").map((name) => writing.put(name, secret));
    while (renames.length < puts.length) await new Promise((resolve) => setTimeout(resolve, 1));
    const expected = names.slice(1).sort();
    assert.deepEqual(await store.listUnfinished(""), expected);
    for (const [i, name] of expected.entries()) {
      await store.deleteUnfinished(name);
      assert.deepEqual(await store.listUnfinished(""), expected.slice(i + 1));
    }
    for (const release of renames) release();
    const outcomes = await Promise.allSettled(puts);
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
  }));

Deno.test("lists read only the folders that have names of their prefix", () =>
  withDirectory(async (directory) => {
    const read: string[] = [];
    const readDirSync: Files["readDirSync"] = (path) => {
      read.push(path.slice(directory.length));
      return denoFiles.readDirSync(path);
    };
    const store = new DirectoryBlobStore(directory, { ...denoFiles, readDirSync });
    const names = ["quarantine/trainer-0", "snapshots/1/shard-0/chunk", "snapshots/ü 2/shard-0/x"];
    for (const name of names) await store.put(name, secret);
    for (const list of [store.list, store.listUnfinished]) {
      for (
        const [prefix, foldersRead] of [
          ["quarantine/trainer-0", 2],
          ["snapshots/ü 2/", 4],
          ["snap", 6],
          ["none/", 1],
          ["", 7],
        ] as const
      ) {
        read.length = 0;
        const found = await list.call(store, prefix);
        const expected = list === store.list ? names.filter((each) => each.startsWith(prefix)) : [];
        assert.deepEqual(found, expected);
        assert.equal(read.length, foldersRead, `${prefix}: ${read.join(" ")}`);
      }
    }
  }));

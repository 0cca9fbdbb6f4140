import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DenoClock } from "../../../../mesh/adapters/deno/deno_clock.ts";
import { DirectoryBlobStore } from "../../../../mesh/adapters/embedded/directory_blob_store.ts";
import { EmbeddedEventLog } from "../../../../mesh/adapters/embedded/embedded_event_log.ts";
import { writeInThread } from "../../../../mesh/adapters/embedded/profile_thread.ts";
import { SqliteProfileStore } from "../../../../mesh/adapters/embedded/sqlite_profile_store.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";
import { blobStoreContract } from "../../../contracts/blob_store_contract.ts";
import { eventLogContract } from "../../../contracts/event_log_contract.ts";
import { profileStoreContract } from "../../../contracts/profile_store_contract.ts";
import { runUntilKilled } from "./killed_process.ts";

const dispose = (directory: string) => Deno.remove(directory, { recursive: true });

// One commit to a segment makes every test cross segments; the usual size keeps all in one where
// the log is large.
for (const segmentBytesMax of [32, undefined]) {
  const segments = `segments of ${segmentBytesMax ?? "the usual"} bytes`;
  eventLogContract(`embedded event log, ${segments}`, async (options) => {
    const directory = Deno.makeTempDirSync();
    const size = segmentBytesMax === undefined ? {} : { segmentBytesMax };
    const open = () => EmbeddedEventLog.open({ ...options, ...size, directory, mode: "write" });
    let log = await open();
    return {
      log,
      async reopen() {
        await log.close();
        return log = await open();
      },
      async dispose() {
        await log.close();
        await dispose(directory);
      },
    };
  });
}

for (const where of ["in this thread", "in a thread of its own"]) {
  profileStoreContract(`sqlite profile store that writes ${where}`, () => {
    const directory = Deno.makeTempDirSync();
    const path = `${directory}/profiles.db`;
    const virtual = where === "in this thread" ? new VirtualClock() : undefined;
    const open = () =>
      virtual
        ? new SqliteProfileStore({ path, clock: virtual })
        : new SqliteProfileStore({ path, clock: new DenoClock(), openWriter: writeInThread });
    let store = open();
    return Promise.resolve({
      store,
      settle: (promise) => virtual?.settle(promise) ?? promise,
      async reopen() {
        await store.close();
        return store = open();
      },
      async dispose() {
        await store.close();
        await dispose(directory);
      },
    });
  });
}

Deno.test("a deleted or replaced profile leaves no text in the files", async () => {
  const directory = Deno.makeTempDirSync();
  const clock = new VirtualClock();
  const path = `${directory}/profiles.db`;
  const store = new SqliteProfileStore({ path, clock });
  await clock.settle(store.put("user", "ann", { street: "Rua das Flores" }));
  await clock.settle(store.put("user", "bob", { street: "Travessa do Carmo" }));
  await clock.settle(store.delete("user", "ann"));
  await clock.settle(store.put("user", "bob", { street: "Largo" }));
  await store.close();
  const text = textsIn(directory);
  assert.match(text, /Largo/);
  assert.doesNotMatch(text, /Flores|Carmo/);
  await dispose(directory);
});

/** The text of the files of a profile store. */
function textsIn(directory: string): string {
  return [...Deno.readDirSync(directory)].map(({ name }) =>
    new TextDecoder("latin1").decode(Deno.readFileSync(`${directory}/${name}`))
  ).join();
}

Deno.test("a profile that a killed process deleted leaves the files a second after the next start", async () => {
  const directory = Deno.makeTempDirSync();
  await runUntilKilled((root) => `
    import { DenoClock } from "${root}mesh/adapters/deno/deno_clock.ts";
    import { SqliteProfileStore } from
      "${root}mesh/adapters/embedded/sqlite_profile_store.ts";
    const store = new SqliteProfileStore({
      path: "${directory}/profiles.db",
      clock: new DenoClock(),
    });
    await store.put("user", "ann", { street: "Rua das Flores" });
    await store.delete("user", "ann");
    console.log("deleted");
  `);
  assert.match(textsIn(directory), /Flores/, "it is in the write-ahead log");
  const clock = new VirtualClock();
  const store = new SqliteProfileStore({ path: `${directory}/profiles.db`, clock });
  assert.equal(store.get("user", "ann"), undefined);
  await clock.advance(1_000);
  assert.doesNotMatch(textsIn(directory), /Flores/);
  await store.close();
  await dispose(directory);
});

Deno.test("deleted profiles leave the files of a busy store when its changes are dropped", async () => {
  const directory = Deno.makeTempDirSync();
  const clock = new VirtualClock();
  const path = `${directory}/profiles.db`;
  const store = new SqliteProfileStore({ path, clock });
  await clock.settle(store.put("user", "ann", { street: "Rua das Flores" }));
  await clock.settle(store.delete("user", "ann"));
  for (let i = 0; i < 5; i++) {
    await clock.settle(store.put("user", `user-${i}`, { i }));
    await clock.advance(500);
  }
  assert.match(textsIn(directory), /Flores/);
  using reader = new DatabaseSync(path, { readOnly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM user_profile").get();
  await clock.settle(store.put("user", "bob", {}));
  await assert.rejects(store.dropChanges(), /another connection reads them/);
  assert.match(textsIn(directory), /Flores/);
  reader.exec("ROLLBACK");
  await store.dropChanges();
  assert.doesNotMatch(textsIn(directory), /Flores/);
  await clock.settle(store.close());
  await dispose(directory);
});

Deno.test("a log of changes that a reader holds is moved when the reader has ended, without a write", async () => {
  const directory = Deno.makeTempDirSync();
  const clock = new VirtualClock();
  const path = `${directory}/profiles.db`;
  const store = new SqliteProfileStore({ path, clock });
  await clock.settle(store.put("user", "ann", { street: "Rua das Flores" }));
  using reader = new DatabaseSync(path, { readOnly: true });
  reader.exec("BEGIN");
  reader.prepare("SELECT count(*) FROM user_profile").get();
  await clock.settle(store.delete("user", "ann"));
  await clock.advance(5_000);
  assert.match(textsIn(directory), /Flores/);
  reader.exec("ROLLBACK");
  await clock.advance(2_000);
  assert.doesNotMatch(textsIn(directory), /Flores/);
  await clock.settle(store.close());
  await clock.advance(5_000);
  await dispose(directory);
});

Deno.test("a directory blob store leaves no empty folders behind, and none that hold something go", async () => {
  const directory = Deno.makeTempDirSync();
  const store = new DirectoryBlobStore(directory);
  for (const name of ["a/b/c", "a/b/d", "e/f"]) await store.put(name, new Uint8Array(1));
  await store.delete("e/f");
  await store.delete("a/b/c");
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name), ["a"]);
  assert.deepEqual(await store.list(""), ["a/b/d"]);
  await store.delete("a/b/d");
  assert.deepEqual([...Deno.readDirSync(directory)], []);
  await store.put("a/b/c", new Uint8Array(2));
  assert.equal((await store.get("a/b/c"))?.length, 2);
  await dispose(directory);
});

Deno.test("a directory blob store makes its directory by the first put, and is empty before", async () => {
  const parent = Deno.makeTempDirSync();
  const store = new DirectoryBlobStore(`${parent}/blobs`);
  assert.deepEqual(await store.list(""), []);
  assert.equal(await store.get("a/b"), undefined);
  await store.delete("a/b");
  assert.deepEqual([...Deno.readDirSync(parent)], []);
  await store.put("a/b", new Uint8Array(1));
  assert.deepEqual(await store.list(""), ["a/b"]);
  await dispose(parent);
});

blobStoreContract("directory blob store", () => {
  const directory = Deno.makeTempDirSync();
  return Promise.resolve({
    store: new DirectoryBlobStore(directory),
    dispose: () => dispose(directory),
  });
});

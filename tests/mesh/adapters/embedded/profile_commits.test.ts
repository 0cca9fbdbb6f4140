/**
 * Commits of profiles beside the thread that reads them: no read waits for a commit, and writes
 * that come during one share the next.
 */
import assert from "node:assert/strict";
import { DenoClock } from "../../../../mesh/adapters/deno/deno_clock.ts";
import { writeInThread } from "../../../../mesh/adapters/embedded/profile_thread.ts";
import {
  type ProfileCommits,
  writeHere,
} from "../../../../mesh/adapters/embedded/profile_writer.ts";
import { SqliteProfileStore } from "../../../../mesh/adapters/embedded/sqlite_profile_store.ts";
import { ProfileStoreUnavailableError } from "../../../../mesh/ports/profile_store.ts";
import { VirtualClock } from "../../../../mesh/simulation/virtual_clock.ts";

const COMMIT_MS = 200;

async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-profiles-" });
  try {
    await run(`${directory}/profiles.db`);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("profiles are read while a commit syncs, and the writes that come meanwhile share the next one", () =>
  withDirectory(async (path) => {
    const clock = new VirtualClock();
    const commits: number[] = [];
    const store = new SqliteProfileStore({
      path,
      clock,
      openWriter: (options) => {
        const writer = writeHere(options);
        return {
          ...writer,
          commit: async (writes, nowMs) => {
            commits.push(writes.length);
            await clock.delay(COMMIT_MS);
            return await writer.commit(writes, nowMs);
          },
        } satisfies ProfileCommits;
      },
    });
    const first = store.put("user", "ann", { age: 30 });
    await clock.advance(10);
    const changed: (string | undefined)[] = [];
    store.onChanged("user", (id) => changed.push(id));
    const later = [31, 32, 33].map((age) => store.put("user", "ann", { age }));
    const other = store.put("item", "m1", { year: 1999 });
    await clock.advance(COMMIT_MS / 2);
    assert.equal(store.get("user", "ann"), undefined, "it is not durable yet");
    await clock.settle(first);
    assert.deepEqual(store.get("user", "ann")?.attributes, { age: 30 });
    const versions = (await clock.settle(Promise.all(later))).map(({ version }) => version);
    assert.deepEqual(versions, [2, 3, 4]);
    await clock.settle(other);
    assert.deepEqual(commits, [1, 4]);
    assert.deepEqual(changed, ["ann", "ann", "ann", "ann"]);
    const last = store.put("user", "bob", { age: 40 });
    await clock.settle(store.close());
    assert.equal((await last).version, 1, "closing finishes the writes that wait");
    await clock.advance(10_000);
  }));

Deno.test("a writer in another thread keeps the order of writes, and each read sees whole profiles", () =>
  withDirectory(async (path) => {
    const store = new SqliteProfileStore({
      path,
      clock: new DenoClock(),
      openWriter: writeInThread,
    });
    const puts: Promise<unknown>[] = [];
    for (let i = 1; i <= 400; i++) {
      puts.push(store.put("item", "m1", { i, text: String(i).repeat(200) }));
      if (i % 20 === 0) await puts[i - 10];
      const { attributes, version } = store.get("item", "m1") ?? {};
      if (attributes !== undefined) {
        assert.equal(attributes.i, version);
        assert.equal(attributes.text, String(version).repeat(200));
      }
    }
    await Promise.all(puts);
    assert.equal(store.get("item", "m1")?.version, 400);
    await store.close();
    const again = new SqliteProfileStore({ path, clock: new VirtualClock() });
    assert.equal(again.get("item", "m1")?.version, 400);
    await again.close();
  }));

Deno.test("a full file is the same error from another thread, and writes go on when there is room", () =>
  withDirectory(async (path) => {
    const store = new SqliteProfileStore({
      path,
      clock: new DenoClock(),
      bytesMax: 32_768,
      openWriter: writeInThread,
    });
    const failed = await store.put("user", "ann", { text: "x".repeat(40_000) }).catch((e) => e);
    assert.ok(failed instanceof ProfileStoreUnavailableError, String(failed));
    assert.match(failed.message, /Nothing was written\..*limit of 32768 bytes/);
    await store.put("user", "ann", { text: "short" });
    assert.equal(store.count("user"), 1);
    await store.close();
  }));

Deno.test("a thread that fails fails its commits, and the next commit starts another one", () =>
  withDirectory(async (path) => {
    const store = new SqliteProfileStore({
      path,
      clock: new DenoClock(),
      openWriter: writeInThread,
    });
    await store.put("user", "ann", { age: 30 });
    const writer = writeInThread({ path: `${path}-missing/profiles.db` });
    const write = { kind: "user", id: "ann", attributes: {} } as const;
    await assert.rejects(writer.commit([write], 0), /unable to open database file/);
    await Deno.mkdir(`${path}-missing`);
    await store.close();
    await Deno.copyFile(path, `${path}-missing/profiles.db`);
    const [{ existed, after }] = await writer.commit([write], 0);
    assert.ok(existed);
    assert.equal(after?.version, 2);
    await writer.close();
    await Deno.remove(`${path}-missing`, { recursive: true });
  }));

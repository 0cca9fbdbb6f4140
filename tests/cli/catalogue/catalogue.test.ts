/**
 * `cairn items` and `cairn users` on a data directory and on a server.
 */
import assert from "node:assert/strict";
import { DenoClock } from "../../../mesh/adapters/deno/deno_clock.ts";
import { openDataDirectory } from "../../../mesh/adapters/embedded/data_directory.ts";
import { SqliteProfileStore } from "../../../mesh/adapters/embedded/sqlite_profile_store.ts";
import { MemoryProfileStore } from "../../../mesh/adapters/memory/memory_profile_store.ts";
import { HttpServer } from "../../../server/machine/http_server.ts";
import { gatewayFixture } from "../../gateway/fixture.ts";
import { runCaptured } from "../captured_command.ts";

interface Place {
  /** The options that name it. */
  readonly flags: readonly string[];
  readonly folder: string;
}

/** A folder with an empty catalogue in a data directory. */
async function inDirectory(work: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/data`);
  const store = new SqliteProfileStore({
    path: `${folder}/data/profiles.db`,
    clock: new DenoClock(),
  });
  await store.close();
  try {
    await work({ flags: ["--data", `${folder}/data`], folder });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A folder, and a gateway with an empty catalogue behind a port and a key. */
async function onServer(work: (place: Place) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const { app } = gatewayFixture({
    options: { apiKeys: ["a-key-of-the-shop"] },
    profiles: new MemoryProfileStore(new DenoClock()),
  });
  const server = await HttpServer.listen(
    {
      host: "127.0.0.1",
      port: 0,
      headersTimeoutMs: 30_000,
      requestTimeoutMs: 30_000,
      idleTimeoutMs: 30_000,
      checkIntervalMs: 1_000,
    },
    (request) => app.fetch(request),
  );
  const url = `http://127.0.0.1:${server.address.port}`;
  try {
    await work({ flags: ["--url", url, "--api-key", "a-key-of-the-shop"], folder });
  } finally {
    server.abort();
    await server.close();
    await Deno.remove(folder, { recursive: true });
  }
}

for (const [where, place] of Object.entries({ inDirectory, onServer })) {
  Deno.test(`a file is loaded, counted, listed and exported, ${where}`, async () => {
    await place(async ({ flags, folder }) => {
      const items = Array.from({ length: 1_203 }, (_, i) => ({ id: `i${i}`, attributes: { i } }));
      const file = `${folder}/items.jsonl`;
      await Deno.writeTextFile(file, items.map((item) => JSON.stringify(item)).join("\n"));
      const loaded = await runCaptured("items", "load", file, ...flags, "--json");
      assert.equal(loaded.code, 0, loaded.err);
      assert.deepEqual(JSON.parse(loaded.out), { stored: 1203, refused: 0, count: 1203 });

      const listed = await runCaptured("items", "list", ...flags, "--limit", "3");
      const lines = listed.out.trimEnd().split("\n");
      assert.equal(lines.length, 4, listed.err);
      assert.match(lines[0], /^i\d+ {2}\d{4}-\S+Z {2}1 write {2}\{"i":\d+\}$/);
      assert.equal(lines[3], "1,203 items stored, 3 shown");
      const users = await runCaptured("users", "list", ...flags, "--json");
      assert.deepEqual(JSON.parse(users.out), { count: 0, shown: 0 });

      const copy = `${folder}/copy.jsonl`;
      const exported = await runCaptured("items", "export", ...flags, "--out", copy);
      assert.equal(exported.code, 0, exported.err);
      assert.equal((await Deno.readTextFile(copy)).trimEnd().split("\n").length, 1203);
      const again = await runCaptured("users", "load", copy, ...flags, "--json");
      assert.deepEqual(JSON.parse(again.out), { stored: 1203, refused: 0, count: 1203 });
    });
  });

  Deno.test(`refused lines are listed with their reasons, and the others are stored, ${where}`, async () => {
    await place(async ({ flags, folder }) => {
      const file = `${folder}/items.jsonl`;
      await Deno.writeTextFile(
        file,
        [
          '{"id": "a", "attributes": {"year": 1}}',
          "{broken",
          "",
          '{"id": "b", "attributes": {"nested": {}}}',
          '{"id": 7, "attributes": {}}',
          '{"id": "c", "attributes": {}, "colour": 1}',
          "[]",
          '{"id": "d", "attributes": {}, "version": 3, "updatedAtMs": 1}',
          '{"id": "e", "attributes": {"price": 1e400}}',
        ].join("\r\n"),
      );
      const refusedFile = `${folder}/refused.jsonl`;
      const said = await runCaptured("items", "load", file, ...flags, "--refused", refusedFile);
      assert.equal(said.code, 1);
      assert.equal(said.out, "2 items stored, 6 lines refused; 2 items in the catalogue\n");
      assert.match(said.err, /items\.jsonl:2 is no JSON such as \{"id": "item-1", "attributes": /);
      assert.match(said.err, /items\.jsonl:5 id is 7; send text: "7"/);
      const refused = (await Deno.readTextFile(refusedFile)).trimEnd().split("\n")
        .map((line) => JSON.parse(line));
      assert.deepEqual(refused.map(({ line }) => line), [2, 4, 5, 6, 7, 9]);
      assert.match(refused[1].reason, /^attributes\/nested is an object; send text/);
      assert.match(refused[4].reason, /^is a list/);
      assert.match(refused[5].reason, /the number of "price" is too large/);
      assert.equal(refused[2].text, '{"id": 7, "attributes": {}}');
    });
  });

  Deno.test(`only stale profiles are listed and exported with --stale, ${where}`, async () => {
    await place(async ({ flags, folder }) => {
      const file = `${folder}/items.jsonl`;
      await Deno.writeTextFile(file, '{"id": "a", "attributes": {}}');
      await runCaptured("items", "load", file, ...flags);
      const fresh = await runCaptured("items", "list", "--stale", "1d", ...flags);
      assert.equal(fresh.out, "1 item stored, 0 of them stale, 0 shown\n");
      assert.equal((await runCaptured("items", "export", "--stale", "1d", ...flags)).out, "");
      await new Promise((resolve) => setTimeout(resolve, 3));
      const stale = await runCaptured("items", "export", "--stale", "1ms", ...flags);
      assert.equal(JSON.parse(stale.out).id, "a", stale.err);
    });
  });
}

Deno.test("a data directory in use, a folder without profiles and a wrong option are refused", async () => {
  await inDirectory(async ({ flags, folder }) => {
    const held = openDataDirectory(`${folder}/data`);
    const inUse = await runCaptured("items", "list", ...flags);
    held.release();
    assert.match(inUse.err, /in use by another process/);
    const none = await runCaptured("items", "list", "--data", folder);
    assert.deepEqual([none.code, /holds no profiles/.test(none.err)], [2, true]);
    const duration = await runCaptured("items", "list", "--stale", "soon", ...flags);
    assert.match(duration.err, /Give a duration like 12h or 30d/);
    const absent = await runCaptured("items", "load", `${folder}/none.jsonl`, ...flags);
    assert.match(absent.err, /there is no such file/);
  });
});

Deno.test("a wrong key and a server that is away are errors in words", async () => {
  await onServer(async ({ flags }) => {
    const wrong = await runCaptured("items", "list", "--url", flags[1], "--api-key", "other");
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /answered 401: The API key is missing or wrong/);
  });
  const noUrl = await runCaptured("items", "list", "--url", "localhost:1");
  assert.match(noUrl.err, /is not the address of a server/);
});

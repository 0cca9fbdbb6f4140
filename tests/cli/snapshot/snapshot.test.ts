/**
 * Goal: going back to a snapshot gives the scores of that time, and the examples after it are
 * learned again or never. Method: a mesh in this process on a data directory, taught in two phases,
 * and the commands on its directory between its runs.
 */
import assert from "node:assert/strict";
import { type Client, smallConfiguration, startSmallMesh } from "../../integration/small_mesh.ts";
import { waitLearned } from "../../../server/waits.ts";
import { runCaptured } from "../captured_command.ts";
import { scores, teach } from "./taught_items.ts";

/** Runs a mesh on the directory, does `work`, stops it with a last snapshot. */
async function run<T>(
  directory: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const storage = `{ kind: directory, path: ${directory}, snapshots: { retained: 4 } }`;
  // No window closes, whatever the machine's speed: only events make examples.
  const yaml = smallConfiguration("in one thread", storage).replace("window: 2s", "window: 1h");
  const { mesh, client, problems } = await startSmallMesh(yaml);
  try {
    const result = await work(client);
    await waitLearned(mesh);
    assert.deepEqual(problems, []);
    return result;
  } finally {
    await mesh.stop();
  }
}

const snapshot = (...args: string[]) => runCaptured("snapshot", ...args);

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-snapshot-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a snapshot that is restored gives its scores again, without or with the examples after it", async () => {
  await withFolder(async (folder) => {
    const data = `${folder}/data`;
    await run(data, (client) => teach(client, "first", "a"));
    const good = await run(data, scores);
    assert.ok(good[0] > good[1]);
    const { out: listed } = await snapshot("list", data, "--json");
    const { name: before } = JSON.parse(listed.split("\n")[0]);

    await run(data, (client) => teach(client, "bad", "b"));
    const bad = await run(data, scores);
    assert.ok(bad[1] > good[1]);
    const profile = await run(data, async (client) => {
      const put = new Request("http://cairn/v1/items/a", {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ attributes: { note: "x" } }),
      });
      return (await client.send(put)).status;
    });
    assert.equal(profile, 201);

    const skipped = await snapshot("restore", data, before, "--examples", "skip");
    assert.equal(skipped.code, 0, skipped.err);
    assert.match(skipped.out, /40 rows after the cut are never learned/);
    await run(data, async (client) => {
      assert.deepEqual(await scores(client), good);
      assert.match(await client.text("/v1/items/a"), /"x"/, "profiles stay");
    });
    // Learning goes on behind the skipped rows.
    await run(data, (client) => teach(client, "later", "a"));

    const learned = await snapshot("restore", data, before, "--examples", "learn");
    assert.equal(learned.code, 0, learned.err);
    assert.match(learned.out, /It learns 80 rows of the log/);
  });
});

Deno.test("examples that a snapshot lacks are learned again to the bit", async () => {
  await withFolder(async (folder) => {
    const data = `${folder}/data`;
    await run(data, (client) => teach(client, "first", "a"));
    const { out } = await snapshot("list", data, "--json");
    const { name: before } = JSON.parse(out.split("\n")[0]);
    await run(data, (client) => teach(client, "second", "b"));
    const after = await run(data, scores);
    const { code, err } = await snapshot("restore", data, before, "--examples", "learn");
    assert.equal(code, 0, err);
    await run(data, () => Promise.resolve());
    assert.deepEqual(await run(data, scores), after);
  });
});

Deno.test("the model of another directory is put under a server's log and profiles", async () => {
  await withFolder(async (folder) => {
    const [data, other] = [`${folder}/data`, `${folder}/other`];
    await run(data, (client) => teach(client, "here", "a"));
    await run(other, (client) => teach(client, "there", "b"));
    const there = await run(other, scores);
    const restored = await snapshot("restore", data, "--from", other, "--examples", "skip");
    assert.equal(restored.code, 0, restored.err);
    assert.deepEqual(await run(data, scores), there);
    await run(data, (client) => teach(client, "later", "a"));
  });
});

Deno.test("a restored model that differs from the configuration is told with its differences", async () => {
  await withFolder(async (folder) => {
    const [data, other] = [`${folder}/data`, `${folder}/other`];
    await run(data, (client) => teach(client, "here", "a"));
    await run(other, (client) => teach(client, "there", "b"));
    const restored = async (...changes: readonly (readonly [string, string])[]) => {
      const storage = `{ kind: directory, path: ${data} }`;
      const same = smallConfiguration("in one thread", storage);
      const yaml = changes.reduce((text, [from, to]) => text.replaceAll(from, to), same);
      await Deno.writeTextFile(`${folder}/cairn.yaml`, yaml);
      const flags = ["--from", other, "--examples", "skip"];
      const { code, out, err } = await snapshot("restore", `${folder}/cairn.yaml`, ...flags);
      assert.equal(code, 0, err);
      return out;
    };
    assert.doesNotMatch(await restored(), /differ/);
    const out = await restored(["tags:", "genres:"], ["clicked", "liked"]);
    assert.match(out, /cairn\.yaml differs from that of the snapshot: .*\n( {2}.*\n)+$/);
    for (const line of ["slot tags -> none", "slot none -> genres"]) {
      assert.ok(out.includes(`  ${line}\n`), out);
    }
    assert.match(out, /clicked.*liked|liked.*clicked/, "the task");
  });
});

Deno.test("a lost event log stops the start, and the model can be kept without the logs", async () => {
  await withFolder(async (folder) => {
    const data = `${folder}/data`;
    await run(data, (client) => teach(client, "first", "a"));
    const good = await run(data, scores);
    await Deno.remove(`${data}/events`, { recursive: true });
    await assert.rejects(run(data, scores), /events\/0.* ends at offset 0.* delete events\/ and/s);
    await Deno.remove(`${data}/events`, { recursive: true });
    await Deno.remove(`${data}/examples`, { recursive: true });
    const { out } = await snapshot("list", data, "--json");
    const { name } = JSON.parse(out.split("\n")[0]);

    const learned = await snapshot("restore", data, name, "--examples", "learn");
    assert.match(learned.err, /there is no example log\. Skip the examples instead/);
    const skipped = await snapshot("restore", data, name, "--examples", "skip");
    assert.equal(skipped.code, 0, skipped.err);
    assert.deepEqual(await run(data, scores), good);
    const later = await run(data, (client) => teach(client, "later", "b"));
    assert.ok(later[1] > good[1], "it goes on learning");
  });
});

Deno.test("a pinned snapshot stays when newer ones replace the others", async () => {
  await withFolder(async (folder) => {
    const data = `${folder}/data`;
    await run(data, (client) => teach(client, "0", "a"));
    const names = async () =>
      (await snapshot("list", data)).out.split("\n").filter(Boolean).map((line) =>
        line.split(" ")[0]
      );
    const [first] = await names();
    assert.equal((await snapshot("pin", data, first)).code, 0);
    for (let phase = 1; phase < 7; phase++) {
      await run(data, (client) => teach(client, String(phase), "a"));
    }
    const kept = await names();
    assert.equal(kept.length, 5, "four and the pinned one");
    assert.equal(kept.at(-1), first);
    assert.match((await snapshot("list", data)).out, new RegExp(`${first} .*pinned`));

    const trimmed = await snapshot("verify", data);
    assert.equal(trimmed.code, 0, trimmed.err);
    assert.equal((await snapshot("unpin", data, first)).code, 0);
    await run(data, (client) => teach(client, "last", "a"));
    assert.ok(!(await names()).includes(first));
  });
});

Deno.test("damage is found and named, and a mistake in words leaves nothing behind", async () => {
  await withFolder(async (folder) => {
    const data = `${folder}/data`;
    await run(data, (client) => teach(client, "0", "a"));
    const { out } = await snapshot("list", data, "--json");
    const { name } = JSON.parse(out);
    const path = `${data}/blobs/snapshots/${name}/shard-0/chunk-00000`;
    const bytes = await Deno.readFile(path);
    bytes[bytes.length >> 1] ^= 1;
    await Deno.writeFile(path, bytes);
    const verified = await snapshot("verify", data);
    assert.equal(verified.code, 1);
    assert.match(verified.out, /DAMAGED\n.*shard-0\/chunk-00000/);
    const restored = await snapshot("restore", data, name, "--examples", "skip");
    assert.equal(restored.code, 1);
    assert.match(restored.err, /shard-0\/chunk-00000/);
    const { out: after } = await snapshot("list", data, "--json");
    assert.equal(after, out, "no half snapshot");

    const typo = `${folder}/typo`;
    for (const args of [["list", typo], ["restore", typo, name, "--examples", "skip"]]) {
      const { code, err } = await snapshot(...args);
      assert.equal(code, 1);
      assert.match(err, /typo holds no snapshot/);
    }
    assert.equal(await Deno.stat(typo).then(() => true, () => false), false);
    const unknown = await snapshot("pin", data, "007");
    assert.equal(unknown.code, 2);
    assert.match(unknown.err, new RegExp(`no snapshot 007 in ${data}: it has ${name}`));
  });
});

Deno.test("a directory whose server has not taken a snapshot yet is listed as such", async () => {
  await withFolder(async (folder) => {
    await Deno.mkdir(`${folder}/blobs`);
    const { code, out } = await snapshot("list", folder);
    assert.equal(code, 0);
    assert.match(out, /^no snapshot yet/);
    assert.equal((await snapshot("list", folder, "--json")).out, "");
  });
});

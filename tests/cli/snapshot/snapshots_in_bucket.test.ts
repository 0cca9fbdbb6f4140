/**
 * Goal: the commands about snapshots and data work on a bucket as on a directory. Method: a mesh in
 * this process with its logs in a directory and its snapshots in moto, taught in two phases, and
 * the commands on its configuration between its runs.
 */
import assert from "node:assert/strict";
import { S3BlobStore } from "../../../mesh/adapters/s3/s3_blob_store.ts";
import { EMPTY_QUARANTINE, withRefused, writeQuarantine } from "../../../records/quarantine.ts";
import { waitLearned } from "../../../server/waits.ts";
import { type Client, smallConfiguration, startSmallMesh } from "../../integration/small_mesh.ts";
import { type Moto, withMoto } from "../../mesh/adapters/s3/moto.ts";
import { runCaptured } from "../captured_command.ts";
import { refusedRow } from "../data/refused_row.ts";
import { scores, teach } from "./taught_items.ts";

const snapshot = (...args: string[]) => runCaptured("snapshot", ...args);

/** A server that is started anew for each piece of work; its snapshots lie below `cairn/`. */
class World {
  readonly config: string;
  readonly data: string;
  readonly blobs: S3BlobStore;

  constructor(readonly folder: string, readonly bucket: string, private readonly moto: Moto) {
    const { endpoint, keys } = moto;
    this.config = `${folder}/cairn.yaml`;
    this.data = `${folder}/data`;
    this.blobs = new S3BlobStore({ endpoint, bucket, prefix: "cairn/", ...keys });
    Deno.writeTextFileSync(this.config, this.yaml());
  }

  /** The configuration, with the snapshots in this bucket. */
  yaml({ bucket = this.bucket, endpoint = this.moto.endpoint } = {}): string {
    const { accessKeyId, secretAccessKey } = this.moto.keys;
    const s3 = `{ endpoint: "${endpoint}", bucket: ${bucket}, prefix: cairn/, ` +
      `accessKeyId: ${accessKeyId}, secretAccessKey: ${secretAccessKey} }`;
    const storage =
      `{ kind: directory, path: ${this.data}, snapshots: { retained: 4 }, s3: ${s3} }`;
    // No window closes, whatever the machine's speed: only events make examples.
    return smallConfiguration("in one thread", storage).replace("window: 2s", "window: 1h");
  }

  /** Runs a mesh, does `work`, stops it with a last snapshot. */
  async run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { mesh, client } = await startSmallMesh(this.yaml());
    try {
      const result = await work(client);
      await waitLearned(mesh);
      return result;
    } finally {
      await mesh.stop();
    }
  }

  /** The names of the snapshots, newest first. */
  async names(): Promise<string[]> {
    const { code, out, err } = await snapshot("list", this.config, "--json");
    assert.equal(code, 0, err);
    return out.split("\n").filter(Boolean).map((line) => JSON.parse(line).name);
  }
}

await withMoto((moto) => {
  const test = (name: string, work: (world: World) => Promise<void>) =>
    Deno.test(name, async () => {
      const folder = await Deno.makeTempDir({ prefix: "cairn-bucket-" });
      try {
        await work(new World(folder, await moto.makeBucket(), moto));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });

  test("a snapshot in a bucket is listed, pinned, verified, backed up and restored", async (world) => {
    const { config, data, blobs, folder } = world;
    assert.match((await snapshot("list", config)).out, /^no snapshot yet/);
    await world.run((client) => teach(client, "first", "a"));
    const good = await world.run(scores);
    const [name] = await world.names();
    assert.equal((await snapshot("pin", config, name)).code, 0);
    assert.match((await snapshot("list", config)).out, new RegExp(`${name} .*pinned`));
    assert.equal((await snapshot("unpin", config, name)).code, 0);
    const bad = await world.run((client) => teach(client, "bad", "b"));
    assert.notDeepEqual(bad, good);

    const skipped = await snapshot("restore", config, name, "--examples", "skip");
    assert.equal(skipped.code, 0, skipped.err);
    assert.match(skipped.out, /40 rows after the cut are never learned/);
    assert.deepEqual(await world.run(scores), good);
    const learned = await snapshot("restore", config, name, "--examples", "learn");
    assert.match(learned.out, /It learns 40 rows of the log/, learned.err);
    assert.equal((await world.names()).length, 4);
    assert.equal((await snapshot("verify", config)).code, 0);

    const whole = await runCaptured("data", "verify", config);
    assert.match(whole.out, /^\d+ files and parts of snapshots read, 0 problems\n$/, whole.err);
    const copy = `${folder}/copy`;
    const backup = await runCaptured("data", "backup", config, copy, "--json");
    assert.equal(backup.code, 0, backup.err);
    assert.equal(JSON.parse(backup.out).snapshot, (await world.names())[0]);
    assert.equal((await snapshot("verify", copy)).code, 0);

    // The bucket is lost: the copy's model goes into an empty one.
    for (const blob of await blobs.list("")) await blobs.delete(blob);
    const back = await snapshot("restore", config, "--from", copy, "--examples", "skip");
    assert.equal(back.code, 0, back.err);
    assert.deepEqual(await world.run(scores), good);
    assert.equal(await Deno.stat(`${data}/blobs`).then(() => true, () => false), false);
  });

  test("a lost bucket is put back, and the examples since are learned", async (world) => {
    const { config, data, blobs, folder } = world;
    await world.run((client) => teach(client, "first", "a"));
    await blobs.put("erasures/receipt", Uint8Array.of(7));
    const copy = `${folder}/copy`;
    assert.equal((await runCaptured("data", "backup", config, copy)).code, 0);
    const [name] = await world.names();
    await world.run((client) => teach(client, "second", "b"));
    const since = await world.run(scores);
    const restore = (...args: string[]) => runCaptured("data", "restore", config, copy, ...args);
    const early = await restore();
    assert.equal(early.code, 1);
    assert.match(early.err, /The store has snapshots\/\d+, and is not lost\. Go back/);
    const folderAlone = await runCaptured("data", "restore", data, copy);
    assert.equal(folderAlone.code, 2);
    assert.match(folderAlone.err, /Give the configuration .* copying the folder of its backup/s);

    const empty = async () => {
      for (const blob of await blobs.list("")) await blobs.delete(blob);
    };
    await empty();
    await world.run(async () => {
      assert.match((await restore()).err, /in use by another process/);
    });
    await empty();
    const back = await restore();
    assert.equal(back.code, 0, back.err);
    assert.match(back.out, new RegExp(`blobs .* put into the bucket .*begins from ${name}`, "s"));
    assert.match(back.out, /learns 40 rows of the log\.\n$/);
    assert.deepEqual(await blobs.get("erasures/receipt"), Uint8Array.of(7));
    await world.run(() => Promise.resolve());
    assert.deepEqual(await world.run(scores), since);

    // The logs are lost too.
    await empty();
    for (const log of ["events", "examples"]) {
      await Deno.remove(`${data}/${log}`, { recursive: true });
    }
    const alone = await restore();
    assert.equal(alone.code, 0, alone.err);
    assert.match(
      alone.out,
      new RegExp(`there is no example log.*restore .* ${name} --examples`, "s"),
    );
    assert.equal((await snapshot("restore", config, name, "--examples", "skip")).code, 0);
    assert.notDeepEqual(await world.run(scores), since);

    await empty();
    const part = `${copy}/blobs/snapshots/${name}/shard-0/header`;
    Deno.writeFileSync(part, Deno.readFileSync(part).with(0, 255));
    const damaged = await restore();
    assert.equal(damaged.code, 1);
    assert.match(damaged.err, /The backup is not whole: .*shard-0\/header/);
    assert.deepEqual(await blobs.list(""), [], "nothing is half restored");
  });

  test("rows that were put aside are read from a bucket", async ({ config, blobs }) => {
    assert.match((await runCaptured("data", "quarantine", config)).out, /no rows were put aside/);
    await writeQuarantine(blobs, "trainer/0", withRefused(EMPTY_QUARANTINE, [refusedRow]));
    const { out } = await runCaptured("data", "quarantine", config);
    assert.match(out, /trainer-0 {2}row 37 .*labels 1e\+30/);
  });

  test("errors name the bucket, the key and what to do", async (world) => {
    const { config, bucket, blobs, data } = world;
    await world.run((client) => teach(client, "first", "a"));
    const [name] = await world.names();
    const unknown = await snapshot("pin", config, "007");
    assert.equal(unknown.code, 2);
    assert.match(
      unknown.err,
      new RegExp(`no snapshot 007 in the bucket ${bucket} at .* below cairn/: it has ${name}`),
    );
    const part = `snapshots/${name}/shard-0/header`;
    await blobs.put(part, Uint8Array.of(1));
    const damaged = await snapshot("verify", config);
    assert.equal(damaged.code, 1);
    assert.match(damaged.out, /DAMAGED\n.*shard-0\/header/);
    const restored = await snapshot("restore", config, name, "--examples", "skip");
    assert.equal(restored.code, 1);
    assert.match(restored.err, /shard-0\/header/);
    assert.deepEqual(await world.names(), [name], "no half snapshot");

    const folder = await snapshot("list", data);
    assert.equal(folder.code, 1);
    assert.match(folder.err, /data holds no snapshot.*a bucket, give the configuration/s);

    Deno.writeTextFileSync(config, world.yaml({ bucket: "never-made" }));
    for (const args of [["snapshot", "list"], ["snapshot", "verify"], ["data", "verify"]]) {
      const { code, err } = await runCaptured(...args, config);
      assert.equal(code, 1);
      assert.match(
        err,
        /list cairn\/snapshots\/ in the bucket never-made at .*Create the bucket, or correct storage\.s3/,
      );
    }
    Deno.writeTextFileSync(config, smallConfiguration("in one thread"));
    const memory = await snapshot("list", config);
    assert.equal(memory.code, 2);
    assert.match(memory.err, /keeps nothing: its storage\.kind is memory/);
  });

  test("a snapshot is not restored into a bucket whose server runs", async (world) => {
    await world.run((client) => teach(client, "first", "a"));
    const [name] = await world.names();
    await world.run(async () => {
      const { code, err } = await snapshot("restore", world.config, name, "--examples", "skip");
      assert.equal(code, 1);
      assert.match(err, /in use by another process/);
    });
  });
});

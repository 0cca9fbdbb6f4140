/**
 * Goal: going back to a snapshot where the logs are on a Redis server skips or learns the examples
 * of that server. Method: a mesh in this process with its logs on a real server, taught in two
 * phases, and the command on its directory between its runs; a process that the command meets.
 */
import assert from "node:assert/strict";
import { isInstalled, LocalServer } from "../../../mesh/adapters/redis/local_server.ts";
import { waitLearned } from "../../../server/waits.ts";
import { MeshProcess } from "../../integration/mesh_process.ts";
import { type Client, smallConfiguration, startSmallMesh } from "../../integration/small_mesh.ts";
import { runCaptured } from "../captured_command.ts";
import { scores, teach } from "./taught_items.ts";

const ignore = !isInstalled("redis-server");
const snapshot = (...args: string[]) => runCaptured("snapshot", ...args);

class World {
  readonly data: string;
  readonly config: string;

  constructor(readonly folder: string, readonly redis: string) {
    this.data = `${folder}/data`;
    this.config = `${folder}/cairn.yaml`;
    Deno.writeTextFileSync(this.config, this.#yaml());
  }

  #yaml(): string {
    const redis = `redis: { url: "${this.redis}" }`;
    const storage = `{ kind: directory, path: ${this.data}, snapshots: { retained: 4 }, ${redis} }`;
    // No window closes, whatever the machine's speed: only events make examples.
    return smallConfiguration("in one thread", storage).replace("window: 2s", "window: 1h");
  }

  /** Runs a mesh, does `work`, stops it with a last snapshot. */
  async run<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { mesh, client } = await startSmallMesh(this.#yaml());
    try {
      const result = await work(client);
      await waitLearned(mesh);
      return result;
    } finally {
      await mesh.stop();
    }
  }

  async newest(): Promise<string> {
    const { out } = await snapshot("list", this.data, "--json");
    return JSON.parse(out.split("\n")[0]).name;
  }
}

async function withWorld(work: (world: World) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "cairn-restore-" });
  const server = await LocalServer.start({ program: "redis-server", directory: folder });
  try {
    await work(new World(folder, server.url));
  } finally {
    await server.kill();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "a snapshot that is restored with its logs on Redis skips or learns the examples after it",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      const { config } = world;
      await world.run((client) => teach(client, "first", "a"));
      const first = await world.run(scores);
      const name = await world.newest();
      const copy = `${world.folder}/copy`;
      const backup = ["data", "backup", config, copy, "--json"];
      assert.equal(JSON.parse((await runCaptured(...backup)).out).snapshot, name);
      assert.equal((await runCaptured(...backup, "--check")).code, 0);
      const later = await world.run((client) => teach(client, "later", "b"));
      assert.notDeepEqual(later, first);

      const skip = ["restore", config, name, "--examples", "skip"];
      const skipped = await snapshot(...skip, "--json");
      assert.equal(skipped.code, 0, skipped.err);
      const { rowsToLearn, rowsSkipped } = JSON.parse(skipped.out);
      assert.deepEqual([rowsToLearn, rowsSkipped], [0, 40]);
      assert.deepEqual(await world.run(scores), first);
      const further = await world.run((client) => teach(client, "further", "b"));
      assert.ok(further[1] > first[1], "it goes on learning");

      const learned = await snapshot(
        ...["restore", config, name, "--examples", "learn", "--json"],
      );
      assert.equal(learned.code, 0, learned.err);
      assert.equal(JSON.parse(learned.out).rowsToLearn, 80);

      const from = ["restore", config, "--from", copy, "--examples", "skip"];
      assert.equal((await snapshot(...from)).code, 0);
      assert.deepEqual(await world.run(scores), first);
    }),
});

Deno.test({
  name: "a snapshot is not restored without the logs that it was taken of",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      const { data } = world;
      await world.run((client) => teach(client, "first", "a"));
      const name = await world.newest();
      const unnamed = await snapshot("restore", data, name, "--examples", "skip");
      assert.equal(unnamed.code, 2);
      assert.match(unnamed.err, /logs of .* are not in .*on Redis, give the configuration/);
      assert.equal(await world.newest(), name);
    }),
});

Deno.test({
  name: "a snapshot is restored beside no process that runs, and ends one that stood still",
  ignore,
  fn: () =>
    withWorld(async (world) => {
      await world.run((client) => teach(client, "first", "a"));
      const name = await world.newest();
      const mesh = `${world.folder}/mesh.yaml`;
      const host = '{ address: "127.0.0.1:7401", roles: [serving, shards, joiner, trainer] }';
      Deno.writeTextFileSync(
        mesh,
        `${Deno.readTextFileSync(world.config)}\nmesh: { id: cairn, hosts: { a: ${host} } }\n`,
      );
      const process = await MeshProcess.start(world.config);
      try {
        const restore = (file: string) => snapshot("restore", file, name, "--examples", "skip");
        for (const refused of await Promise.all([world.config, mesh].map(restore))) {
          assert.equal(refused.code, 1);
          assert.match(refused.err, /another process uses them \(process \d+ on .*Stop it first/);
        }
        process.signal("SIGSTOP");
        const restored = await restore(world.config);
        assert.equal(restored.code, 0, restored.err);
        const newest = await world.newest();
        assert.notEqual(newest, name);
        process.signal("SIGCONT");
        assert.equal((await process.ended).code, 1);
        assert.equal(await world.newest(), newest, "it has left no later snapshot");
      } finally {
        await process.kill("SIGKILL");
      }
    }),
});

import assert from "node:assert/strict";
import { S3BlobStore } from "../../mesh/adapters/s3/s3_blob_store.ts";
import { installedProgram } from "../../mesh/adapters/redis/local_server.ts";
import { runCaptured } from "../cli/captured_command.ts";
import { withMoto } from "../mesh/adapters/s3/moto.ts";
import { visits } from "./counted_visits.ts";
import { ownersWhen, withHostsOnRedis } from "./hosts_on_redis.ts";
import { eventually, MeshProcess } from "./mesh_process.ts";
import {
  type Client,
  type PlacementName,
  placements,
  scoreOf,
  smallConfiguration,
  waitLoaded,
} from "./small_mesh.ts";

const program = installedProgram();

/** Rows that the trainers of a host have learned in all. */
async function rowsLearned(client: Client): Promise<number> {
  const lines = (await client.text("/metrics")).split("\n");
  const series = lines.filter((line) => /^cairn_trainer_rows_learned[ {]/.test(line));
  return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

await withMoto(({ endpoint, keys, makeBucket }) => {
  for (const placement of Object.keys(placements) as PlacementName[]) {
    Deno.test(`a restart resumes from the snapshot in a bucket, ${placement}`, async () => {
      const bucket = await makeBucket();
      const directory = Deno.makeTempDirSync();
      const path = `${directory}/cairn.yaml`;
      const s3 = `{ endpoint: "${endpoint}", bucket: ${bucket}, prefix: cairn/, ` +
        `accessKeyId: ${keys.accessKeyId}, secretAccessKey: ${keys.secretAccessKey} }`;
      const storage = `{ kind: directory, path: data, s3: ${s3} }`;
      Deno.writeTextFileSync(path, smallConfiguration(placement, storage));
      try {
        const shown = ["c1", "d1"];
        const first = await MeshProcess.start(path);
        const { rankingId } = await first.client.rank("cat", shown);
        const events = shown.map((item) => ({ eventId: item, rankingId, item, action: "click" }));
        await first.client.post(events);
        const learned = (mesh: MeshProcess) => mesh.metric("cairn_trainer_rows_learned");
        assert.ok(await eventually(async () => await learned(first) === events.length));
        const { success } = await first.kill("SIGTERM");
        assert.ok(success, "told to stop, it takes a last snapshot");
        const blobs = new S3BlobStore({ endpoint, bucket, prefix: "cairn/", ...keys });
        const names = await blobs.list("snapshots/");
        assert.ok(names.some((name) => name.endsWith("/manifest.json")), names.join());
        const second = await MeshProcess.start(path);
        assert.ok(await eventually(async () => await learned(second) === events.length));
        const again = await second.metric("cairn_trainer_examples_total");
        assert.equal(again, 0, "the snapshot holds everything");
        await second.kill("SIGTERM");
      } finally {
        Deno.removeSync(directory, { recursive: true });
      }
    });
  }

  Deno.test({
    name: "shards of a killed host are restored on another from a bucket, and nothing is lost",
    ignore: program === undefined,
    async fn() {
      const bucket = await makeBucket();
      const { accessKeyId, secretAccessKey } = keys;
      const s3 = `s3: { endpoint: "${endpoint}", bucket: ${bucket}, prefix: shop/, ` +
        `accessKeyId: ${accessKeyId}, secretAccessKey: ${secretAccessKey} }`;
      const roles = {
        edge: "serving, joiner, trainer",
        "tables-1": "shards",
        "tables-2": "shards",
      };
      await withHostsOnRedis({
        program: program ?? "redis-server",
        roles,
        placement: "in one thread",
        snapshots: "1s",
        mesh: ["heartbeat: 300ms", "silence: 10s", "lease: 10s"],
        // No window closes: each click is one example, and there are no others.
        change: (small) =>
          small.replace("window: 2s", "window: 1h").replace("path: data", `path: data, ${s3}`),
      }, async ({ folder, processes, clients: [client], store }) => {
        const file = `${folder}/mesh.yaml`;
        const shown = ["left", "right"];
        const snapshots = async () => {
          const { code, out, err } = await runCaptured("snapshot", "list", file, "--json");
          assert.equal(code, 0, err);
          return out.split("\n").filter(Boolean).map((line) => JSON.parse(line));
        };
        const isEven = (owners: readonly string[]) =>
          owners.filter((owner) => owner === "tables-2").length === 2;
        await ownersWhen(store, isEven);
        const visiting = visits(client);
        await visiting.further(20);
        const holdsAll = async () => (await snapshots()).some(({ rows }) => rows >= 20);
        assert.ok(await eventually(holdsAll, 60_000), "a snapshot is in the bucket");

        await processes.of("tables-2").kill("SIGKILL");
        await ownersWhen(store, (owners) => owners.every((owner) => owner === "tables-1"));
        assert.ok((await store.read()).generation > 0, "shards were lost, and restored");
        const { accepted: clicks, newestMs: newest } = await visiting.stop();
        await client.rankFresh("user-0", shown, newest);
        const learnsEach = async () => await rowsLearned(client) === clicks;
        assert.ok(
          await eventually(learnsEach, 60_000),
          `${await rowsLearned(client)} of ${clicks} rows`,
        );
        const scores = scoreOf(await client.rank("user-0", shown), "right");

        // All hosts stop, go back to a snapshot in the bucket, and learn the rest again.
        await processes.stop();
        const verified = await runCaptured("snapshot", "verify", file);
        assert.equal(verified.code, 0, verified.out + verified.err);
        const { name, rows } = (await snapshots()).at(-1);
        const restored = await runCaptured(
          ...["snapshot", "restore", file, name, "--examples", "learn", "--json"],
        );
        assert.equal(restored.code, 0, restored.err);
        assert.equal(JSON.parse(restored.out).rowsToLearn, clicks - rows);
        await processes.start(...Object.keys(roles));
        await waitLoaded(client);
        assert.ok(
          await eventually(learnsEach, 60_000),
          `${await rowsLearned(client)} of ${clicks} rows`,
        );
        const after = scoreOf(await client.rankFresh("user-0", shown, newest), "right");
        assert.ok(Math.abs(after - scores) < 1e-3, `${after} is near ${scores}`);
        const blobs = await Deno.stat(`${folder}/data/blobs`).then(() => true, () => false);
        assert.ok(!blobs, "no snapshot is in the directory");
      });
    },
  });
});

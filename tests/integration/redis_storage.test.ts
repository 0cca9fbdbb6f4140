/**
 * A whole mesh whose logs and profiles are on a real server: the journey of an event, and a server
 * and a process that are killed.
 */
import assert from "node:assert/strict";
import { LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { waitLearned } from "../../server/waits.ts";
import { withPrograms } from "../mesh/adapters/redis/servers.ts";
import { eventually, MeshProcess } from "./mesh_process.ts";
import {
  type Event,
  type EventResult,
  type PlacementName,
  placements,
  scoreOf,
  smallConfiguration,
  startSmallMesh,
} from "./small_mesh.ts";

const shown = ["c1", "c2", "d1", "d2"];

withPrograms((program) => {
  const test = (
    name: string,
    body: (local: LocalServer, directory: string) => Promise<void>,
  ) =>
    Deno.test(`${program}: ${name}`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
      const settings = { maxmemory: "256mb" };
      const local = await LocalServer.start({ program, directory, settings });
      try {
        await body(local, directory);
      } finally {
        await local.kill();
        await Deno.remove(directory, { recursive: true });
      }
    });
  const configuration = (placement: PlacementName, { url }: LocalServer, directory: string) =>
    smallConfiguration(
      placement,
      `{ kind: directory, path: ${directory}/data, logBytesMax: 64MiB, snapshots: { interval: 1s }, redis: { url: "${url}" } }`,
      placement === "in one thread" ? 1 : 2,
    );

  for (const placement of Object.keys(placements) as PlacementName[]) {
    test(`one event makes its whole journey ${placement}`, async (local, directory) => {
      const { mesh, client, problems } = await startSmallMesh(
        configuration(placement, local, directory),
      );
      try {
        const before = await client.rank("ann", shown);
        const [result] = await client.post([
          { eventId: "e1", rankingId: before.rankingId, item: "c2", action: "click" },
        ]);
        assert.equal(result.status, "accepted");
        const after = await client.rankFresh("ann", shown, result.acceptedAtMs);
        assert.ok(scoreOf(after, "c2") > scoreOf(before, "c2"), "the clicked item has risen");
        await waitLearned(mesh);
        assert.equal((await mesh.trainers.status()).examples, 1);
        assert.deepEqual(problems, []);
      } finally {
        await mesh.stop();
      }
    });
  }

  test(
    "rankings go on while the server is away, and events when it is back",
    async (local, directory) => {
      // The window outlasts the server's absence, also on a loaded machine.
      const { mesh, client } = await startSmallMesh(
        configuration("in one thread", local, directory).replace("window: 2s", "window: 60s"),
      );
      try {
        const before = await client.rank("ann", shown);
        await local.kill();
        for (let i = 0; i < 3; i++) assert.equal((await client.rank("ann", shown)).items.length, 4);
        await local.start();
        const event = { eventId: "e1", rankingId: before.rankingId, item: "c2", action: "click" };
        // After more than a second events are refused, until the server is noticed to be back.
        let result: EventResult | undefined;
        assert.ok(
          await eventually(async () => {
            [result] = await client.post([event]).catch(() => []);
            return result !== undefined;
          }),
        );
        assert.ok(result?.status === "accepted" || result?.status === "duplicate");
        const after = await client.rankFresh("ann", shown, result.acceptedAtMs);
        assert.ok(scoreOf(after, "c2") > scoreOf(before, "c2"));
      } finally {
        await mesh.stop();
      }
    },
  );

  test(
    "events over kills of the server and of the process are learned once each",
    async (local, directory) => {
      const path = `${directory}/cairn.yaml`;
      Deno.writeTextFileSync(path, configuration("in one thread", local, directory));
      const accepted: Event[] = [];
      let acceptedAtMs = 0;
      let sent = 0;
      for (let run = 0; run < 2; run++) {
        const mesh = await MeshProcess.start(path);
        for (let round = 0; round < 12; round++) {
          const { rankingId } = await mesh.client.rank("cat", shown);
          const events = shown.map((item) => ({
            eventId: `e${sent++}`,
            rankingId,
            item,
            action: item[0] === "c" ? "click" : "dismiss",
          }));
          const answer = mesh.client.post(events);
          if (round === 6) {
            await local.kill();
            await local.start();
          }
          for (const result of await answer) {
            assert.equal(result.status, "accepted");
            acceptedAtMs = Math.max(acceptedAtMs, result.acceptedAtMs);
          }
          accepted.push(...events);
        }
        await mesh.kill("SIGKILL");
      }
      const mesh = await MeshProcess.start(path);
      try {
        for (const event of accepted.slice(-2)) {
          const [{ status }] = await mesh.client.post([event]);
          assert.equal(status, "duplicate");
        }
        await mesh.client.rankFresh("cat", shown, acceptedAtMs);
        const learned = () => mesh.metric("cairn_trainer_rows_learned");
        await eventually(async () => await learned() >= accepted.length);
        assert.equal(await learned(), accepted.length);
      } finally {
        await mesh.kill("SIGTERM");
      }
    },
  );
});

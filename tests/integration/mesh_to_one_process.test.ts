/**
 * Goal: a mesh on Redis becomes one process and a mesh again, with its model, rankings and events;
 * one process is refused while a host runs, and ends the hosts that stood still for longer than
 * their lease. Method: real processes and a real Redis server.
 */
import assert from "node:assert/strict";
import { freePorts } from "../free_ports.ts";
import { isInstalled, LocalServer } from "../../mesh/adapters/redis/local_server.ts";
import { clientOn, HostProcesses } from "./host_process.ts";
import { eventually, MeshProcess, NotReadyError } from "./mesh_process.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const ITEMS = ["left", "right"];

/** Ranks and acts; resolves with the ranking's id. */
async function visit(client: Client, name: string): Promise<string> {
  const { rankingId } = await client.rank(`user-${name}`, ITEMS);
  await act(client, rankingId, name, "accepted");
  return rankingId;
}

async function act(client: Client, rankingId: string, name: string, expected: string) {
  const event = { eventId: `e-${name}`, rankingId, item: "right", action: "click" };
  const [{ status }] = await client.post([event]);
  assert.equal(status, expected, name);
}

Deno.test({
  name: "a mesh on Redis goes on as one process and as a mesh again, and not as both at once",
  ignore: !isInstalled("redis-server"),
  async fn() {
    const folder = Deno.makeTempDirSync();
    const redis = await LocalServer.start({ program: "redis-server", directory: folder });
    const [http, ...ports] = freePorts(3);
    const small = (name: string) =>
      smallConfiguration(
        "in one thread",
        `{ kind: directory, path: data, redis: { url: "${redis.url}"${name} } }`,
      ).replace("window: 2s", "window: 1h");
    const mesh = `
mesh:
  id: shop
  lease: 4s
  hosts:
    edge: { address: "127.0.0.1:${ports[0]}", roles: [serving, joiner], http: "127.0.0.1:${http}" }
    tables: { address: "127.0.0.1:${ports[1]}", roles: [shards, trainer] }
`;
    Deno.writeTextFileSync(`${folder}/mesh.yaml`, small("") + mesh);
    Deno.writeTextFileSync(`${folder}/one.yaml`, small(", name: shop"));
    const hosts = new HostProcesses(`${folder}/mesh.yaml`);
    let alone: MeshProcess | undefined;
    try {
      await hosts.start("edge", "tables");
      const client = clientOn(http);
      const first = await visit(client, "1");
      await eventually(async () => (await client.rank("user-1", ITEMS)).modelVersion > 0);

      const refused = await MeshProcess.start(`${folder}/one.yaml`).catch((error) => error);
      assert.ok(refused instanceof NotReadyError);
      assert.match(
        refused.said,
        /hosts of a mesh run on them \(edge, tables\).*Stop all of them first/,
      );
      assert.deepEqual(await hosts.stop(), { edge: 0, tables: 0 });

      alone = await untilLeasesEnd(() => MeshProcess.start(`${folder}/one.yaml`));
      await act(alone.client, first, "1", "duplicate");
      const before = (await alone.client.rank("user-1", ITEMS)).modelVersion;
      assert.ok(before > 0, "the model of the mesh");
      const besideOne = await hosts.start("edge").catch((error) => error);
      assert.match(String(besideOne), /another process uses them \(process \d+ on .*Stop it first/);
      await hosts.stop();
      const second = await visit(alone.client, "2");
      const learned = () => alone!.metric("cairn_trainer_rows_learned");
      assert.ok(await eventually(async () => await learned() >= 2), alone.said);
      assert.equal((await alone.kill("SIGTERM")).code, 0);
      assert.doesNotMatch(alone.said, /crashed|writer must stop/);

      await hosts.start("edge", "tables");
      await act(client, first, "1", "duplicate");
      await act(client, second, "2", "duplicate");
      const { learnedThroughMs } = await client.rank("user-2", ITEMS);
      await visit(client, "3");
      const isLearned = async () =>
        (await client.rank("user-2", ITEMS)).learnedThroughMs > learnedThroughMs;
      assert.ok(await eventually(isLearned), hosts.of("tables").said);

      const still = ["edge", "tables"].map((host) => hosts.of(host));
      for (const host of still) host.signal("SIGSTOP");
      alone = await untilLeasesEnd(() => MeshProcess.start(`${folder}/one.yaml`));
      for (const host of still) host.signal("SIGCONT");
      for (const host of still) {
        assert.equal(await host.ended(), 1);
        assert.match(host.said, /was removed from the mesh.*The process must stop/);
      }
      await act(alone.client, second, "2", "duplicate");
      await visit(alone.client, "4");

      const followed = alone;
      followed.signal("SIGSTOP");
      alone = await MeshProcess.start(`${folder}/one.yaml`);
      followed.signal("SIGCONT");
      assert.equal((await followed.ended).code, 1);
      assert.match(followed.said, /no snapshot at the end.*another process uses them/);
      await act(alone.client, second, "2", "duplicate");
      assert.equal((await alone.kill("SIGTERM")).code, 0);
    } finally {
      await alone?.kill("SIGKILL");
      await hosts.end();
      await redis.kill();
      Deno.removeSync(folder, { recursive: true });
    }
  },
});

/** The lease of a host that has stopped may last a moment longer. */
async function untilLeasesEnd(start: () => Promise<MeshProcess>): Promise<MeshProcess> {
  for (let tries = 0;; tries++) {
    try {
      return await start();
    } catch (error) {
      const isLeased = error instanceof NotReadyError && /counts for \d+ s more/.test(error.said);
      if (!isLeased || tries === 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

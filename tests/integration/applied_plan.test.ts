/**
 * Goal: `cairn apply` moves joiners and trainers between processes, and `cairn rollback` moves them
 * back, while users rank and act: no request fails, and every event is one example. Method: real
 * processes over loopback sockets with a real Redis or Valkey server; the real commands.
 */
import assert from "node:assert/strict";
import { runCommandLine } from "../../cli/command_line.ts";
import {
  installedProgram,
  LocalServer,
  type ServerProgram,
} from "../../mesh/adapters/redis/local_server.ts";
import { usersOfExamples, visits } from "./counted_visits.ts";
import { clientOn, freePort, HostProcesses } from "./host_process.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const program = installedProgram();
const HOSTS = ["edge", "learn-1", "learn-2", "tables"];

interface World {
  readonly client: Client;
  readonly redis: LocalServer;
  /** Runs a command; its exit code and both outputs. */
  cairn(...args: readonly string[]): Promise<{ code: number; out: string; err: string }>;
}

async function withHosts(program: ServerProgram, run: (world: World) => Promise<void>) {
  const folder = Deno.makeTempDirSync();
  const redis = await LocalServer.start({ program, directory: folder });
  const [port, ...ports] = Array.from({ length: 5 }, freePort);
  // The example log is read at the end, so no snapshot may trim it.
  const snapshots = "snapshots: { interval: 1h, spread: 0ms }";
  const storage = `{ kind: directory, path: data, ${snapshots}, redis: { url: "${redis.url}" } }`;
  const file = `${folder}/mesh.yaml`;
  const small = smallConfiguration("in one thread", storage, 2)
    .replace("window: 2s", "window: 1h")
    .replace("joiner:\n", "joiner:\n  partitions: 2\n");
  Deno.writeTextFileSync(
    file,
    `${small}
mesh:
  id: shop
  secret: a-secret-for-the-test
  balance: false
  heartbeat: 300ms
  silence: 10s
  lease: 10s
  hosts:
    edge:
      address: 127.0.0.1:${ports[0]}
      roles: [serving, sync]
      http: 127.0.0.1:${port}
    learn-1: { address: "127.0.0.1:${ports[1]}", roles: [joiner, trainer] }
    learn-2: { address: "127.0.0.1:${ports[2]}", roles: [joiner, trainer] }
    tables: { address: "127.0.0.1:${ports[3]}", roles: [shards] }
`,
  );
  const processes = new HostProcesses(file);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => Deno.removeSync(folder, { recursive: true }));
  opened.defer(() => redis.kill());
  opened.defer(() => processes.end());
  const cairn: World["cairn"] = async (...args) => {
    const said = { out: "", err: "" };
    const code = await runCommandLine([...args, "--config", file], {
      out: (text) => said.out += text,
      err: (text) => said.err += text,
    });
    return { code, ...said };
  };
  try {
    await processes.start(...HOSTS);
    await run({ client: clientOn(port), redis, cairn });
  } catch (error) {
    for (const host of HOSTS) {
      console.error(`---- ${host}\n${processes.of(host).said.slice(-4_000)}`);
    }
    throw error;
  }
}

/** The joiners and trainers of a host, as `cairn status` shows them. */
async function readersOf(cairn: World["cairn"], name: string): Promise<string[]> {
  const { hosts } = JSON.parse((await cairn("status", "--json")).out);
  return hosts.find(({ host }: { host: string }) => host === name).partitions;
}

/** The plan once nothing is on its way any more. */
async function settledPlan(cairn: World["cairn"]) {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const plan = await cairn("plan");
    if (!/began to move or to restore before/.test(plan.err)) return plan;
    assert.ok(performance.now() < deadlineMs, plan.err);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test({
  name: "a plan moves a joiner and a trainer under traffic, and a rollback moves them back",
  ignore: program === undefined,
  async fn() {
    await withHosts(program ?? "redis-server", async ({ client, redis, cairn }) => {
      const visiting = visits(client);
      assert.equal((await cairn("drain", "learn-2", "--wait")).code, 0);
      assert.equal((await cairn("undrain", "learn-2")).code, 0);
      assert.deepEqual(await readersOf(cairn, "learn-2"), []);
      const plan = await settledPlan(cairn);
      assert.equal(plan.code, 2, plan.out);
      assert.match(plan.err, /^1 joiner and 1 trainer would move, in about 2 s; cairn apply/m);

      const applied = await cairn("apply", "--wait");
      assert.equal(applied.code, 0, applied.err);
      assert.match(applied.err, /^2 of 2 moves are done$/m);
      const moved = await readersOf(cairn, "learn-2");
      assert.deepEqual(moved.map((key) => key.split("/")[0]).toSorted(), ["events", "trainer"]);
      const settled = await cairn("plan");
      assert.deepEqual([settled.code, settled.err], [0, ""]);
      const atMove = visiting.accepted;
      while (visiting.accepted < atMove + 20) await new Promise((end) => setTimeout(end, 20));

      const back = await cairn("rollback", "--wait");
      assert.equal(back.code, 0, back.err);
      assert.deepEqual(await readersOf(cairn, "learn-2"), []);
      const { accepted, newestMs } = await visiting.stop();
      await client.rankFresh("user-0", ["left", "right"], newestMs);
      const users = await usersOfExamples(redis.url);
      assert.equal(users.length, accepted, "examples");
      assert.equal(new Set(users).size, accepted, "users of examples");
    });
  },
});

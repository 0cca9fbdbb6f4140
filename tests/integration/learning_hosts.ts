/**
 * A mesh of real processes over a real Redis or Valkey server, with two hosts that join and train.
 */
import { runCommandLine } from "../../cli/command_line.ts";
import { LocalServer, type ServerProgram } from "../../mesh/adapters/redis/local_server.ts";
import { clientOn, freePort, HostProcesses } from "./host_process.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const HOSTS = ["edge", "learn-1", "learn-2", "tables"];

/**
 * A mesh of four processes: `edge` serves, `learn-1` and `learn-2` have two joiners and two
 * trainers, `tables` has the shards.
 */
export interface LearningHosts {
  readonly client: Client;
  readonly redis: LocalServer;
  readonly processes: HostProcesses;
  /** Runs a command; its exit code and both outputs. */
  cairn(...args: readonly string[]): Promise<{ code: number; out: string; err: string }>;
}

/** Runs a test with the processes, over a Redis or Valkey server of its own. */
export async function withLearningHosts(
  program: ServerProgram,
  run: (world: LearningHosts) => Promise<void>,
  { lease = "10s" }: { readonly lease?: string } = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const redis = await LocalServer.start({ program, directory: folder });
  const [port, ...ports] = Array.from({ length: 5 }, freePort);
  // The example log is read at the end, so no snapshot may trim it.
  const snapshots = "snapshots: { interval: 1h, spread: 0ms, retained: 9 }";
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
  lease: ${lease}
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
  const cairn: LearningHosts["cairn"] = async (...args) => {
    const said = { out: "", err: "" };
    const code = await runCommandLine([...args, "--config", file], {
      out: (text) => said.out += text,
      err: (text) => said.err += text,
    });
    return { code, ...said };
  };
  try {
    await processes.start(...HOSTS);
    await run({ client: clientOn(port), redis, processes, cairn });
  } catch (error) {
    for (const host of HOSTS) {
      console.error(`---- ${host}\n${processes.of(host).said.slice(-4_000)}`);
    }
    throw error;
  }
}

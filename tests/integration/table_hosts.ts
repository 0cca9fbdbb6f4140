/**
 * A mesh of real processes over a real Redis or Valkey server, with hosts for the shards alone.
 */
import assert from "node:assert/strict";
import { runCommandLine } from "../../cli/command_line.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { LocalServer, type ServerProgram } from "../../mesh/adapters/redis/local_server.ts";
import {
  openCoordination,
  type OpenedCoordination,
} from "../../server/machine/redis_coordination.ts";
import { clientOn, freePort, HostProcesses } from "./host_process.ts";
import { type Client, smallConfiguration } from "./small_mesh.ts";

const hosts = ["edge", "tables-1", "tables-2"];

/** A mesh of three processes: `edge` serves and learns, `tables-1` and `tables-2` have shards. */
export interface TableHosts {
  readonly processes: HostProcesses;
  readonly client: Client;
  readonly store: OpenedCoordination["coordination"];
  /** Runs a command; fails with its output where its exit code is not 0. */
  command(...args: readonly string[]): Promise<string>;
}

/** Runs a test with the processes, over a Redis or Valkey server of its own. */
export async function withTableHosts(
  program: ServerProgram,
  run: (world: TableHosts) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const redis = await LocalServer.start({ program, directory: folder });
  const [port, ...ports] = Array.from({ length: 4 }, freePort);
  const snapshots = "snapshots: { interval: 2s, spread: 0ms }";
  const storage = `{ kind: directory, path: data, ${snapshots}, redis: { url: "${redis.url}" } }`;
  const file = `${folder}/mesh.yaml`;
  const yaml = `${
    smallConfiguration("in worker threads", storage).replace("window: 2s", "window: 1h")
  }
mesh:
  id: shop
  secret: a-secret-for-the-test
  heartbeat: 200ms
  silence: 3s
  lease: 4s
  hosts:
    edge:
      address: 127.0.0.1:${ports[0]}
      roles: [serving, joiner, trainer, sync]
      http: 127.0.0.1:${port}
    tables-1: { address: "127.0.0.1:${ports[1]}", roles: [shards] }
    tables-2: { address: "127.0.0.1:${ports[2]}", roles: [shards] }
`;
  Deno.writeTextFileSync(file, yaml);
  const processes = new HostProcesses(file);
  let opened: OpenedCoordination | undefined;
  try {
    await processes.start(...hosts);
    opened = await openCoordination(parseConfiguration(yaml, file));
    await run({
      processes,
      client: clientOn(port),
      store: opened.coordination,
      async command(...args) {
        let said = "";
        const out = (text: string) => void (said += text);
        const code = await runCommandLine([...args, "--config", file], { out, err: out });
        assert.equal(code, 0, said);
        return said;
      },
    });
  } catch (error) {
    for (const host of hosts) {
      console.error(`---- ${host}\n${processes.of(host).said.slice(-6_000)}`);
    }
    throw error;
  } finally {
    await processes.end();
    await opened?.close();
    await redis.kill();
    Deno.removeSync(folder, { recursive: true });
  }
}

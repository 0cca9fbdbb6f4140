/**
 * Real servers for tests: one of each program and test file, on a socket in a temporary directory.
 */
import {
  isInstalled,
  LocalServer,
  type ServerProgram,
} from "../../../../mesh/adapters/redis/local_server.ts";
import {
  RedisServer,
  type RedisServerOptions,
} from "../../../../mesh/adapters/redis/redis_server.ts";

const programs: readonly ServerProgram[] = ["redis-server", "valkey-server"];
let meshes = 0;

/** A server under test. */
export interface TestServer {
  readonly program: ServerProgram;
  readonly local: LocalServer;
  /** Opens the stores' connections for a mesh; without a name for a new, empty one. */
  connect(options?: Partial<RedisServerOptions>): Promise<RedisServer>;
}

/**
 * Calls `declare` with each installed program and a server of it that runs as long as the test
 * file. Where a program is missing, a skipped test says so.
 */
export async function withServers(declare: (server: TestServer) => void): Promise<void> {
  for (const program of programs) {
    if (!isInstalled(program)) {
      Deno.test({
        name: `${program} is not installed: its cases are skipped (apt-get install ${
          program === "redis-server" ? "redis-server" : "valkey-server"
        })`,
        ignore: true,
        fn: () => {},
      });
      continue;
    }
    const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
    const local = await LocalServer.start({ program, directory });
    globalThis.addEventListener("unload", () => {
      if (local.pid !== undefined) Deno.kill(local.pid, "SIGKILL");
      Deno.removeSync(directory, { recursive: true });
    });
    declare({
      program,
      local,
      connect: (options = {}) =>
        RedisServer.open({ url: local.url, mesh: `test-${meshes++}`, ...options }),
    });
  }
}

/** A name that no other mesh of this test file has. */
export function newMesh(): string {
  return `test-${meshes++}`;
}

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

/** Time for a command where no test waits for it to pass, ms: servers of busy machines are slow. */
export const PATIENT_MS = 20_000;

/** Budgets of a log for the same tests. */
export const patientBudgets = {
  budgetMs: PATIENT_MS,
  writtenBudgetMs: PATIENT_MS,
  awayAfterMs: PATIENT_MS,
} as const;

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
  const installed: ServerProgram[] = [];
  withPrograms((program) => installed.push(program));
  for (const program of installed) {
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
        RedisServer.open({
          url: local.url,
          mesh: newMesh(),
          deadlineMs: PATIENT_MS,
          ...options,
        }),
    });
  }
}

/** Calls `declare` with each installed program; a skipped test names those that are missing. */
export function withPrograms(declare: (program: ServerProgram) => void): void {
  for (const program of programs) {
    if (isInstalled(program)) declare(program);
    else {
      Deno.test({
        name: `${program} is not installed: its cases are skipped (apt-get install ${program})`,
        ignore: true,
        fn: () => {},
      });
    }
  }
}

/** A name that no other mesh of this test file has. */
export function newMesh(): string {
  return `test-${meshes++}`;
}

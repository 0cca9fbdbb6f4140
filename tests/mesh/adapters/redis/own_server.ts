/** Tests that have a real server of their own, which they may kill, stop and restore. */
import { LocalServer, type ServerProgram } from "../../../../mesh/adapters/redis/local_server.ts";
import { RedisEventLog } from "../../../../mesh/adapters/redis/redis_event_log.ts";
import type { RedisEventLogOptions } from "../../../../mesh/adapters/redis/redis_log_options.ts";
import {
  RedisServer,
  type RedisServerOptions,
} from "../../../../mesh/adapters/redis/redis_server.ts";
import type { OnceRecord } from "../../../../mesh/ports/event_log.ts";
import { PATIENT_MS } from "./servers.ts";

type LogOptions = Pick<
  RedisEventLogOptions,
  "budgetMs" | "writtenBudgetMs" | "unconfirmedMsMax" | "partitionOf"
>;

/** A server and the processes that use it. */
export interface World {
  readonly local: LocalServer;
  readonly directory: string;
  open(options?: Partial<RedisServerOptions>): Promise<RedisServer>;
  log(server: RedisServer, options?: LogOptions): Promise<RedisEventLog>;
  /** Copies the server's data; the result starts the server again with the copy. */
  copyData(): Promise<() => Promise<void>>;
}

export const text = (value: string) => new TextEncoder().encode(value);

/** A record that is appended once, without an acceptance time. */
export const onceOf = (id: string): OnceRecord => ({
  id,
  content: id,
  acceptedAtMs: 0,
  bytes: text(id),
  endsWithTime: false,
});

/** The records of a partition of the log. */
export async function texts(log: RedisEventLog, partition = 0): Promise<string[]> {
  return (await log.read(partition, 0, 1e6)).map(({ bytes }) => new TextDecoder().decode(bytes));
}

/** Declares a test with a server of the program. */
export function testsOf(program: ServerProgram) {
  return (
    name: string,
    body: (world: World) => Promise<void>,
    settings: Readonly<Record<string, string>> = {},
  ): void => Deno.test(`${program}: ${name}`, () => withWorld(program, settings, body));
}

async function withWorld(
  program: ServerProgram,
  settings: Readonly<Record<string, string>>,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "cairn-redis-" });
  const local = await LocalServer.start({ program, directory, settings });
  const servers: RedisServer[] = [];
  const logs: RedisEventLog[] = [];
  try {
    await body({
      local,
      directory,
      async open(options = {}) {
        const server = await RedisServer.open({
          url: local.url,
          mesh: "faults",
          deadlineMs: PATIENT_MS,
          ...options,
        });
        servers.push(server);
        return server;
      },
      async log(server, { budgetMs = PATIENT_MS, ...budgets } = {}) {
        const log = await RedisEventLog.open({
          server,
          name: "events",
          partitions: 1,
          bytesMax: 2 ** 30,
          writer: crypto.randomUUID(),
          budgetMs,
          writtenBudgetMs: budgetMs,
          awayAfterMs: budgetMs,
          ...budgets,
        });
        logs.push(log);
        return log;
      },
      copyData: () => copyData(local, directory),
    });
  } finally {
    for (const log of logs) await log.close();
    for (const server of servers) server.close();
    await local.kill();
    await removeAll(directory);
  }
}

/** Removes a directory into which a process that rewrites the server's file may still write. */
async function removeAll(directory: string): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      return await Deno.remove(directory, { recursive: true });
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function copyData(local: LocalServer, directory: string): Promise<() => Promise<void>> {
  const files = `${directory}/appendonlydir`;
  const copy = `${directory}/copy`;
  await new Deno.Command("cp", { args: ["-a", files, copy] }).output();
  return async () => {
    await local.kill();
    await Deno.remove(files, { recursive: true });
    await Deno.rename(copy, files);
    await local.start();
  };
}

/**
 * The server that all stores of a process share: connections for commands, long reads and
 * durability, and one for each reader that waits.
 */
import { setTimeout as pause } from "node:timers/promises";
import { DurabilityBarrier } from "./durability_barrier.ts";
import {
  RedisConnection,
  type RedisOptions,
  RedisUnavailableError,
  withoutPassword,
} from "./redis_connection.ts";
import { checkServer, type ServerFacts, UnsafeRedisError } from "./server_check.ts";
import { ServerRuns } from "./server_runs.ts";

/** Options of {@link RedisServer}. */
export interface RedisServerOptions extends RedisOptions {
  /** Name of the mesh: the hash tag of all its keys. */
  readonly mesh: string;
  /** Replicas that must have a durable write on their disks; default 0. */
  readonly replicas?: number;
  /** Longest wait for a durable write, ms; default 5000. */
  readonly durableWaitMs?: number;
  /** Time within which the server must answer at first, ms; default 10 s: it may start as well. */
  readonly openBudgetMs?: number;
  /** Interval of looks at the server's settings, which an operator may change, ms; default 5 s. */
  readonly lookMs?: number;
}

const OPEN_BUDGET_MS = 10_000;
const LOOK_MS = 5_000;
/** Pause between attempts to reach the server at first, ms. */
const RETRY_MS = 100;

export class RedisServer {
  /** For writes and small reads. */
  readonly commands: RedisConnection;
  /** For long reads, behind which no write waits. */
  readonly reads: RedisConnection;
  readonly barrier: DurabilityBarrier;
  readonly runs: ServerRuns;
  readonly facts: ServerFacts;
  readonly #options: RedisServerOptions;
  /** Connections that are not closed. */
  readonly #connections: Set<RedisConnection>;
  readonly #looks: number;

  private constructor(
    options: RedisServerOptions,
    [commands, reads, syncing]: readonly RedisConnection[],
    facts: ServerFacts,
  ) {
    this.#options = options;
    this.commands = commands;
    this.reads = reads;
    this.facts = facts;
    this.#connections = new Set([commands, reads, syncing]);
    this.runs = new ServerRuns(commands, this.key(""));
    for (const each of [reads, syncing]) this.runs.compareWith(each);
    this.barrier = new DurabilityBarrier({
      connection: syncing,
      key: this.key("synced"),
      runs: this.runs.key,
      replicas: options.replicas ?? 0,
      waitMs: options.durableWaitMs ?? 5_000,
      // A process that only reads is told of another run by nothing else.
      onOtherRun: () => this.runs.leave(),
      onRefused: () => this.#look(),
    });
    this.#looks = Number(setInterval(() => {
      if (commands.isReady) this.#look().catch(() => {}); // its cause is that of all commands then
    }, options.lookMs ?? LOOK_MS));
    Deno.unrefTimer(this.#looks);
  }

  /**
   * Connects and checks the server.
   *
   * @throws {RedisUnavailableError} It does not answer.
   * @throws {UnsafeRedisError} It would lose data.
   */
  static async open(options: RedisServerOptions): Promise<RedisServer> {
    const connections = [
      connectionFor({ ...options, sharesFlights: true }, "commands"),
      connectionFor(options, "reads"),
      connectionFor(options, "sync"),
    ];
    const [commands] = connections;
    try {
      const untilMs = performance.now() + (options.openBudgetMs ?? OPEN_BUDGET_MS);
      await connectUntil(commands, untilMs);
      const facts = checkServer(commands.url, commands.report, options.replicas ?? 0);
      await Promise.all(connections.map((each) => connectUntil(each, untilMs)));
      return new RedisServer(options, connections, facts);
    } catch (error) {
      for (const each of connections) each.close();
      throw error;
    }
  }

  /** The address without a password. */
  get url(): string {
    return this.commands.url;
  }

  /** A key of the mesh; all keys have one hash tag. */
  key(name: string): string {
    return `{cairn:${this.#options.mesh}}:${name}`;
  }

  /** A connection on which one reader waits; the reader closes it. */
  waitingConnection(): RedisConnection {
    const connection = connectionFor(this.#options, "wait");
    this.#connections.add(connection);
    connection.onClosed(() => this.#connections.delete(connection));
    this.runs.compareWith(connection);
    return connection;
  }

  /** Connections that are not closed. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Breaks all connections where the server would lose data by now.
   *
   * @throws {RedisUnavailableError} It would, or it does not answer.
   */
  async #look(): Promise<void> {
    try {
      await this.commands.readReport();
    } catch (error) {
      const cause = error instanceof RedisUnavailableError ? error.cause : undefined;
      if (cause instanceof UnsafeRedisError) {
        for (const connection of this.#connections) connection.refuse(cause);
      }
      throw error;
    }
  }

  /** Closes all connections. */
  close(): void {
    clearInterval(this.#looks);
    for (const connection of this.#connections) connection.close();
  }
}

function connectionFor(options: RedisServerOptions, use: string): RedisConnection {
  return new RedisConnection({
    ...options,
    name: `cairn-${options.mesh}-${use}`,
    check: (report) => void checkServer(withoutPassword(options.url), report, 0),
  });
}

/** Connects, again while the server is not there. */
async function connectUntil(connection: RedisConnection, untilMs: number): Promise<void> {
  for (;;) {
    try {
      return await connection.connect();
    } catch (error) {
      if (!(error instanceof RedisUnavailableError)) throw error;
      if (error.cause instanceof UnsafeRedisError) throw error.cause;
      if (performance.now() + RETRY_MS > untilMs) throw error;
    }
    await pause(RETRY_MS);
  }
}

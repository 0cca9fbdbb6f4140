/**
 * The server that all stores of a process share: a connection for commands, one for durability, and
 * one for each reader that waits.
 */
import { DurabilityBarrier } from "./durability_barrier.ts";
import { RedisConnection, type RedisOptions } from "./redis_connection.ts";
import { checkServer, type ServerFacts } from "./server_check.ts";

/** Options of {@link RedisServer}. */
export interface RedisServerOptions extends RedisOptions {
  /** Name of the mesh: the hash tag of all its keys. */
  readonly mesh: string;
  /** Replicas that must have a durable write on their disks; default 0. */
  readonly replicas?: number;
  /** Longest wait for a durable write, ms; default 5000. */
  readonly durableWaitMs?: number;
}

export class RedisServer {
  readonly commands: RedisConnection;
  readonly barrier: DurabilityBarrier;
  readonly facts: ServerFacts;
  readonly #options: RedisServerOptions;
  readonly #connections: RedisConnection[];

  private constructor(
    options: RedisServerOptions,
    commands: RedisConnection,
    syncing: RedisConnection,
    facts: ServerFacts,
  ) {
    this.#options = options;
    this.commands = commands;
    this.facts = facts;
    this.#connections = [commands, syncing];
    this.barrier = new DurabilityBarrier({
      connection: syncing,
      key: this.key("synced"),
      replicas: options.replicas ?? 0,
      waitMs: options.durableWaitMs ?? 5_000,
    });
  }

  /**
   * Connects and checks the server.
   *
   * @throws {RedisUnavailableError} It does not answer.
   * @throws {UnsafeRedisError} It would lose data.
   */
  static async open(options: RedisServerOptions): Promise<RedisServer> {
    const [commands, syncing] = ["commands", "sync"].map((use) => connectionFor(options, use));
    try {
      await commands.connect();
      const facts = await checkServer(commands, options.replicas ?? 0);
      await syncing.connect();
      return new RedisServer(options, commands, syncing, facts);
    } catch (error) {
      commands.close();
      syncing.close();
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
    this.#connections.push(connection);
    return connection;
  }

  /** Closes all connections. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}

function connectionFor(options: RedisServerOptions, use: string): RedisConnection {
  return new RedisConnection({ ...options, name: `cairn-${options.mesh}-${use}` });
}

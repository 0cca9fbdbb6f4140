/**
 * One connection to a Redis or Valkey server, which connects again by itself.
 *
 * Commands are answered in order. A command that is sent on a broken connection fails at once, and
 * the commands on the way when a connection breaks fail with it: whether the server ran them is
 * unknown, and nothing is sent twice here. The connection has its own deadline, because a socket
 * whose peer has vanished may stay silent for hours.
 */
import { ErrorReply, RESP_TYPES } from "@redis/client";
import { Listeners } from "../../runtime/listeners.ts";
import { CommandDeadlines } from "./command_deadlines.ts";
import { CommandFlights } from "./command_flights.ts";
import {
  type Client,
  destroy,
  newClient,
  type RedisTls,
  remedyOf,
  within,
} from "./redis_client.ts";
import { primaryUrl, type SentinelOptions } from "./sentinels.ts";
import { UnsafeRedisError } from "./server_check.ts";

/** Where and how to connect. */
export interface RedisOptions {
  /**
   * `redis://[user:password@]host:port[/database]`, `rediss://…` for TLS, or `unix:///path` for a
   * socket. With sentinels the host is the name of the primary, without a port.
   */
  readonly url: string;
  /** Servers that are asked for the address of the primary before each connection. */
  readonly sentinels?: SentinelOptions;
  /** Certificates for `rediss://`. */
  readonly tls?: RedisTls;
  readonly username?: string;
  readonly password?: string;
  /** Name of the connection in the server's list of clients. */
  readonly name?: string;
  /** Time within which a connection must be made and a command answered, ms; default 2000. */
  readonly deadlineMs?: number;
  /** Whether commands wait for the answers of those on the way; default false. */
  readonly sharesFlights?: boolean;
  /** Looks at the server's report after each connection; an error that it throws refuses it. */
  readonly check?: (report: ServerReport) => void;
}

/** The facts of `INFO` by name, and `appendfsync` where the server lets its settings be read. */
export type ServerReport = ReadonlyMap<string, string>;

/** An argument of a command: text, or bytes that are sent as they are. */
export type RedisArgument = string | number | Uint8Array;

/** The server does not answer, or refuses everything for now. */
export class RedisUnavailableError extends Error {
  override readonly name = "RedisUnavailableError";
  /** Whether it may answer later, without another configuration. */
  readonly isAway: boolean;
  /** @param sent Whether the server may have run the command. */
  constructor(readonly url: string, readonly sent: boolean, cause: unknown) {
    super(cause instanceof Error ? cause.message || cause.name : String(cause), { cause });
    this.isAway = remedyOf(this) === undefined && !(cause instanceof UnsafeRedisError);
  }
}

/** Default of {@link RedisOptions.deadlineMs}. */
const DEADLINE_MS = 2_000;
/** Pauses between attempts to connect, ms. */
const RETRY_MS = [0, 20, 50, 100, 200, 500, 1_000];

/** Answers of a server that cannot serve now: it loads its data, or has become a replica. */
const UNAVAILABLE =
  /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|MISCONF|NOREPLICAS)\b/;

/** Sections of `INFO` that hold the checked fields. */
const reportSections = ["server", "replication", "persistence", "memory", "cluster"];

async function readFacts(
  send: (args: readonly string[]) => Promise<unknown>,
): Promise<ServerReport> {
  const [info, setting] = await Promise.all([
    send(["INFO", ...reportSections]),
    send(["CONFIG", "GET", "appendfsync"]).catch((error) => {
      if (error instanceof ErrorReply) return [];
      throw error;
    }),
  ]);
  const lines = String(info).split("\r\n").filter((line) => line.includes(":"));
  const facts = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1)];
  });
  const [name, value] = setting as string[];
  return new Map(name === undefined ? facts : [...facts, [name, value]]);
}

/** Bulk strings as bytes: text is decoded where it is text. */
const binary = { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } };
const textual = { typeMapping: {} };

/** A command and the form of its reply. */
interface Command {
  readonly args: readonly RedisArgument[];
  /** Time that it may wait at the server, beyond the deadline, ms. */
  readonly waitMs: number;
  readonly options: typeof binary | typeof textual;
}

export class RedisConnection {
  readonly #options: RedisOptions;
  /** Time within which a command must be answered, ms. */
  readonly deadlineMs: number;
  readonly #ready = new Listeners<[]>();
  readonly #ended = new Listeners<[]>();
  /** Deadlines of the commands on the way. */
  readonly #deadlines: CommandDeadlines;
  readonly #flights = new CommandFlights<Command>((command) => this.#sendNow(command));
  #client: Client | undefined;
  #report: ServerReport = new Map();
  #connecting: Promise<void> | undefined;
  #cause: unknown = new Error("not connected yet");
  #retry: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #downSinceMs = performance.now();
  #closed = false;

  constructor(options: RedisOptions) {
    this.#options = options;
    this.deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#deadlines = new CommandDeadlines(
      this.deadlineMs,
      () => this.#drop(new Error(`no answer within ${this.deadlineMs} ms`)),
    );
  }

  /** The address without a password, for messages. */
  get url(): string {
    return withoutPassword(this.#options.url);
  }

  /**
   * The server's replication id, by the report that was read last. It differs after each start of
   * the server's process and each promotion, which may have lost writes, also where the same
   * process is the primary again.
   */
  get replicationId(): string {
    return this.#report.get("master_replid") ?? "";
  }

  /** The server's report when the connection was made, or {@link readReport} was called. */
  get report(): ServerReport {
    return this.#report;
  }

  /**
   * Reads the report again: the replication id changes too when the server gets its first replica,
   * and some time after it has lost the last one.
   *
   * @throws {RedisUnavailableError} There is no connection, it broke on the way, or the server is
   *   refused now, as a replica is: then the connection is made anew.
   */
  async readReport(): Promise<void> {
    const client = this.#client;
    const report = await readFacts((args) => this.send(args));
    if (client !== this.#client) return;
    try {
      this.#options.check?.(report);
    } catch (error) {
      this.#drop(error);
      throw new RedisUnavailableError(this.url, false, error);
    }
    this.#report = report;
  }

  /** Whether commands are being taken. */
  get isReady(): boolean {
    return this.#client?.isReady === true;
  }

  /** Time since the connection broke, ms; 0 while there is one. */
  get downMs(): number {
    return this.isReady ? 0 : performance.now() - this.#downSinceMs;
  }

  /** Why there is no connection; undefined while there is one. */
  get failure(): Error | undefined {
    return this.isReady ? undefined : new RedisUnavailableError(this.url, false, this.#cause);
  }

  /** Makes the connection; on failure it goes on trying by itself. */
  async connect(): Promise<void> {
    if (this.isReady) return;
    await (this.#connecting ??= this.#connect().finally(() => this.#connecting = undefined));
  }

  /**
   * Calls `listener` after each connection was made, also the first.
   *
   * @returns Removes the listener.
   */
  onReady(listener: () => void): () => void {
    return this.#ready.add(listener);
  }

  /** Calls `listener` when the connection is closed. */
  onClosed(listener: () => void): void {
    this.#ended.add(listener);
  }

  /**
   * Sends a command; text in the reply comes as strings.
   *
   * @param waitMs Time that the command itself may wait at the server, beyond the deadline.
   * @throws {RedisUnavailableError} There is no connection, or it broke on the way.
   */
  send<Reply>(args: readonly RedisArgument[], waitMs = 0): Promise<Reply> {
    return this.#send({ args, waitMs, options: textual }) as Promise<Reply>;
  }

  /** Sends a command whose reply has bytes: views into a shared buffer, to be copied if held. */
  sendForBytes<Reply>(args: readonly RedisArgument[], waitMs = 0): Promise<Reply> {
    return this.#send({ args, waitMs, options: binary }) as Promise<Reply>;
  }

  /** Breaks the connection, if there is one; each new one looks at the report. */
  refuse(cause: UnsafeRedisError): void {
    if (this.#client !== undefined) this.#drop(cause);
  }

  /** Ends the connection; the commands on the way fail. Idempotent. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop(new Error("the connection was closed"));
    this.#ended.tell();
  }

  #send(command: Command): Promise<unknown> {
    return this.#options.sharesFlights && this.isReady
      ? this.#flights.send(command, this.#deadlines.count > 0)
      : this.#sendNow(command);
  }

  async #sendNow({ args, waitMs, options }: Command): Promise<unknown> {
    const client = this.#client;
    if (!client?.isReady) throw new RedisUnavailableError(this.url, false, this.#cause);
    this.#deadlines.add(performance.now() + this.deadlineMs + waitMs);
    try {
      return await client.sendCommand(args.map(encoded), options);
    } catch (error) {
      if (!(error instanceof ErrorReply)) {
        const cause = client === this.#client && client.isReady ? error : this.#cause;
        if (client === this.#client) this.#drop(error);
        throw new RedisUnavailableError(this.url, true, cause);
      }
      if (UNAVAILABLE.test(error.message)) {
        // A demoted primary stays connected: only a new connection may find the present one.
        if (client === this.#client) this.#drop(error);
        throw new RedisUnavailableError(this.url, false, error);
      }
      throw error;
    } finally {
      if (client === this.#client && this.#deadlines.count > 0) {
        this.#deadlines.removeOldest();
        if (this.#deadlines.count === 0) this.#flights.depart();
      }
    }
  }

  async #connect(): Promise<void> {
    if (this.#closed) throw new RedisUnavailableError(this.url, false, this.#cause);
    let client: Client | undefined;
    let report: ServerReport;
    try {
      client = await this.#newClient();
      report = await this.#reportOf(client);
    } catch (error) {
      if (client !== undefined) destroy(client);
      this.#cause = error;
      this.#retryLater();
      throw new RedisUnavailableError(this.url, false, error);
    }
    if (this.#closed) {
      destroy(client);
      throw new RedisUnavailableError(this.url, false, this.#cause);
    }
    this.#client = client;
    this.#report = report;
    this.#deadlines.clear();
    this.#attempt = 0;
    this.#ready.tell();
  }

  /** A client of the server, or of the primary that the sentinels name now. */
  async #newClient(): Promise<Client> {
    const { url, username, password, name, sentinels, tls } = this.#options;
    const deadlineMs = this.deadlineMs;
    const address = sentinels === undefined
      ? url
      : await primaryUrl(url, sentinels, { tls, deadlineMs });
    const options = { url: address, username, password, name, tls, connectMs: deadlineMs };
    const client = newClient(options);
    client.on("error", (error) => {
      if (client === this.#client) this.#drop(error);
    });
    return client;
  }

  async #reportOf(client: Client): Promise<ServerReport> {
    const report = await within(
      this.deadlineMs,
      (async () => {
        await client.connect();
        return await readFacts((args) => client.sendCommand([...args], textual));
      })(),
    );
    if (report.get("loading") === "1") throw new Error("LOADING: the server loads its data");
    if (this.#options.sentinels !== undefined && report.get("role") === "slave") {
      throw new Error("the sentinels name a server that is a replica: a failover is under way");
    }
    this.#options.check?.(report);
    return report;
  }

  #drop(cause: unknown): void {
    const client = this.#client;
    if (client) this.#downSinceMs = performance.now();
    this.#client = undefined;
    this.#cause = cause;
    this.#deadlines.clear();
    if (client) destroy(client);
    // Without a connection they fail at once.
    this.#flights.depart();
    if (!this.#closed) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed || this.#retry !== undefined) return;
    const pauseMs = RETRY_MS[Math.min(this.#attempt++, RETRY_MS.length - 1)];
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.connect().catch(() => {});
    }, pauseMs);
    Deno.unrefTimer(Number(this.#retry));
  }
}

function encoded(argument: RedisArgument): string | Buffer {
  if (typeof argument === "string") return argument;
  if (typeof argument === "number") return String(argument);
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

/** The address as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}

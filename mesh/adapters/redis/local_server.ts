/**
 * A Redis or Valkey server that this process starts for itself: on a socket of the file system in a
 * directory of its own, never on a port. For the demo, tests and benchmarks.
 */
import { setTimeout as pause } from "node:timers/promises";

/** Programs that serve the protocol. */
export type ServerProgram = "redis-server" | "valkey-server";

/** Options of {@link LocalServer.start}. */
export interface LocalServerOptions {
  readonly program: ServerProgram;
  /** Directory of data and socket; it must exist, and its path be short enough for a socket. */
  readonly directory: string;
  /** Further settings, which replace the defaults: append-only file synced at each write. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A command and its arguments to run the server under, which it replaces in the process. */
  readonly under?: readonly string[];
}

/** Whether the program is installed on this machine. */
export function isInstalled(program: ServerProgram): boolean {
  try {
    return new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
}

/** The first program that is installed on this machine; undefined where none is. */
export function installedProgram(): ServerProgram | undefined {
  return (["redis-server", "valkey-server"] as const).find(isInstalled);
}

const START_BUDGET_MS = 20_000;

export class LocalServer {
  readonly #options: LocalServerOptions;
  #process: Deno.ChildProcess | undefined;

  private constructor(options: LocalServerOptions) {
    this.#options = options;
  }

  /** Starts the server and waits until it answers. */
  static async start(options: LocalServerOptions): Promise<LocalServer> {
    const server = new LocalServer(options);
    await server.start();
    return server;
  }

  /** The address for {@link RedisOptions.url}. */
  get url(): string {
    return `unix://${this.#socket}`;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get #socket(): string {
    return `${this.#options.directory}/redis.sock`;
  }

  /** Starts the server again with the data that its directory holds. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const all: Record<string, string> = {
      port: "0",
      unixsocket: this.#socket,
      dir: this.#options.directory,
      save: "",
      appendonly: "yes",
      appendfsync: "always",
      "maxmemory-policy": "noeviction",
      "always-show-logo": "no",
      logfile: `${this.#options.directory}/server.log`,
      ...this.#options.settings,
      ...settings,
    };
    await Deno.remove(this.#socket).catch(() => {});
    const [command, ...under] = [...this.#options.under ?? [], this.#options.program];
    this.#process = new Deno.Command(command, {
      args: [...under, ...Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const until = performance.now() + START_BUDGET_MS;
    while (!await answers(this.#socket)) {
      if (performance.now() > until) {
        await this.kill();
        const log = await Deno.readTextFile(`${this.#options.directory}/server.log`)
          .catch(() => "");
        throw new Error(`${this.#options.program} did not start: ${log.slice(-500)}`);
      }
      await pause(5);
    }
  }

  /** Ends the server as a crash would, without a last sync. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Ends the server in order. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Stops the server's process for a while: its connections stay and it answers nothing. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  /** Ends {@link pause}. */
  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async #end(signal: Deno.Signal): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    if (!process) return;
    process.kill(signal);
    await process.status;
  }
}

/** Whether the server takes commands: it loads its data first. */
async function answers(socket: string): Promise<boolean> {
  try {
    using connection = await Deno.connect({ transport: "unix", path: socket });
    await connection.write(new TextEncoder().encode("PING\r\n"));
    const reply = new Uint8Array(64);
    const bytes = await connection.read(reply) ?? 0;
    return new TextDecoder().decode(reply.subarray(0, bytes)).startsWith("+PONG");
  } catch {
    return false;
  }
}

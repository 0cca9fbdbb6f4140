/**
 * The hosts of a mesh as processes of their own, `cairn node`, which tests can kill.
 */
import { Client } from "./small_mesh.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;

export class HostProcess {
  readonly #process: Deno.ChildProcess;
  readonly #read: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  #said = "";

  /**
   * Starts the host and does not wait.
   *
   * @param build The main module of the program; default: that of these sources.
   */
  constructor(
    readonly host: string,
    configuration: string,
    under: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
    build = main,
  ) {
    const command = [
      ...[...under, Deno.execPath(), "run", "-A", "--no-check", build],
      ...["node", "--host", host, "--config", configuration],
    ];
    this.#process = new Deno.Command(command[0], {
      args: command.slice(1),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1", ...environment },
    }).spawn();
    this.#read = this.#readAll();
    this.#ready.promise.catch(() => {});
  }

  /** Resolves when its parts run; where it serves, when it can rank. */
  async ready(msMax = 180_000): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.host} is not ready: ${this.#said}`)),
        msMax,
      );
    });
    try {
      await Promise.race([this.#ready.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** All lines of stderr so far. */
  get said(): string {
    return this.#said;
  }

  /** Sends the signal and waits for the end. */
  async kill(signal: "SIGKILL" | "SIGTERM"): Promise<Deno.CommandStatus> {
    try {
      this.#process.kill(signal);
    } catch { /* it has ended already */ }
    const status = await this.#process.status;
    await this.#read;
    return status;
  }

  /** Lets the process stand still or go on; its connections stay. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
  }

  /** Resolves with the exit code once the process has ended by itself. */
  async ended(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#read;
    return code;
  }

  async #readAll(): Promise<void> {
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
      this.#said += text;
      if (/\b(Host \S+ runs|Cairn serves)/.test(this.#said)) this.#ready.resolve();
    }
    this.#ready.reject(new Error(`${this.host} has ended: ${this.#said}`));
  }
}

/** Hosts of one configuration file. */
export class HostProcesses {
  readonly #running = new Map<string, HostProcess>();

  /**
   * @param under A command and its arguments to run the host under.
   * @param environment Further variables of the host.
   */
  constructor(
    readonly configuration: string,
    readonly under: (host: string) => readonly string[] = () => [],
    readonly environment: (host: string) => Readonly<Record<string, string>> = () => ({}),
  ) {}

  /** Starts hosts together, and waits until all are ready. */
  async start(...hosts: readonly string[]): Promise<void> {
    await this.startOn(undefined, ...hosts);
  }

  /** As {@link start}, on another build of the program, which its main module names. */
  async startOn(build: string | undefined, ...hosts: readonly string[]): Promise<void> {
    for (const host of hosts) {
      const [under, environment] = [this.under(host), this.environment(host)];
      const process = new HostProcess(host, this.configuration, under, environment, build);
      this.#running.set(host, process);
    }
    await Promise.all(hosts.map((host) => this.of(host).ready()));
  }

  has(host: string): boolean {
    return this.#running.has(host);
  }

  of(host: string): HostProcess {
    const running = this.#running.get(host);
    if (running === undefined) throw new Error(`${host} was not started`);
    return running;
  }

  /** Stops all hosts by SIGTERM; their exit codes. */
  async stop(): Promise<Record<string, number>> {
    const codes = await Promise.all(
      [...this.#running].map(async ([host, process]) =>
        [host, (await process.kill("SIGTERM")).code] as const
      ),
    );
    return Object.fromEntries(codes);
  }

  /** Ends all hosts. */
  async end(): Promise<void> {
    await Promise.all([...this.#running.values()].map((process) => process.kill("SIGKILL")));
  }
}

/** Speaks to the HTTP API on a port, by default of this machine. */
export function clientOn(port: number, address = "127.0.0.1"): Client {
  return new Client(({ url, method, headers, body }) =>
    fetch(
      `http://${address}:${port}${new URL(url).pathname}`,
      method === "GET" ? {} : { method, headers, body },
    )
  );
}

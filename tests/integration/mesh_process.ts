/**
 * `cairn serve` as a process of its own, which tests can kill.
 */
import { Client } from "./small_mesh.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;

export interface StartOptions {
  /** Further arguments of `serve`. */
  readonly args?: readonly string[];
  /** A program and its arguments to run the server under, such as strace. */
  readonly under?: readonly string[];
  /** Longest wait until it can rank, ms. Default 180,000. */
  readonly readyMsMax?: number;
  /** Further variables of its environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The process ended, or did not come up, before it could rank. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";
  constructor(reason: string, readonly said: string, readonly status?: Deno.CommandStatus) {
    super(`${reason}: ${said}`);
  }
}

export class MeshProcess {
  readonly #process: Deno.ChildProcess;
  readonly #read: Promise<void>;
  readonly #ready = Promise.withResolvers<string | undefined>();
  #said = "";
  #url = "";

  private constructor(
    configuration: string,
    { args = [], under = [], environment = {} }: StartOptions,
  ) {
    const command = [
      ...under,
      Deno.execPath(),
      ...["run", "-A", "--no-check", main, "serve", "--config", configuration, "--port", "0"],
      ...args,
    ];
    this.#process = new Deno.Command(command[0], {
      args: command.slice(1),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1", ...environment },
    }).spawn();
    this.#read = this.#readAll();
  }

  /**
   * Starts the server and waits until it can rank.
   *
   * @throws {NotReadyError} When it ends before, or takes longer than `readyMsMax`.
   */
  static async start(configuration: string, options: StartOptions = {}): Promise<MeshProcess> {
    const process = MeshProcess.spawn(configuration, options);
    await process.ready(options.readyMsMax);
    return process;
  }

  /** Starts the server and does not wait. */
  static spawn(configuration: string, options: StartOptions = {}): MeshProcess {
    return new MeshProcess(configuration, options);
  }

  /** @throws {NotReadyError} When it ends before it can rank, or takes longer than `msMax`. */
  async ready(msMax = 180_000): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), msMax);
    });
    const url = await Promise.race([this.#ready.promise, late]);
    clearTimeout(timer);
    if (url === "late") throw new NotReadyError(`not ready after ${msMax} ms`, this.#said);
    if (url === undefined) {
      throw new NotReadyError("ended before it was ready", this.#said, await this.#process.status);
    }
    this.#url = url;
  }

  /** All lines of stderr so far. */
  get said(): string {
    return this.#said;
  }

  /** Without a path. */
  get url(): string {
    return this.#url;
  }

  get ended(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  get client(): Client {
    return new Client((request) => this.send(request));
  }

  /** Sends a request to the same path of this server. */
  send(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { method, headers, body } = request;
    const url = this.#url + pathname;
    return fetch(url, method === "GET" ? {} : { method, headers, body });
  }

  /** A metric's value now, summed over its series; 0 where it does not exist yet. */
  async metric(name: string): Promise<number> {
    const lines = (await this.client.text("/metrics")).split("\n");
    const series = lines.filter((line) =>
      line.startsWith(`${name} `) || line.startsWith(`${name}{`)
    );
    return series.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Lets the process stand still or go on; its connections stay. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#process.kill(signal);
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

  async #readAll(): Promise<void> {
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
      this.#said += text;
      const url = /Cairn serves on (\S+)/.exec(this.#said)?.[1];
      if (url !== undefined) this.#ready.resolve(url);
    }
    this.#ready.resolve(undefined);
  }
}

/** Waits until the condition holds; false when it does not within `msMax`. */
export async function eventually(
  condition: () => Promise<boolean>,
  msMax = 60_000,
): Promise<boolean> {
  for (const deadlineMs = performance.now() + msMax; performance.now() < deadlineMs;) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

/**
 * The hosts of the demo's mesh as processes of their own, and the platform that starts them again.
 *
 * A host that did not run for longer than its lease, as under a high load, ends by itself, and is
 * started again. Any other host that ends by itself fails the demo.
 */
import metadata from "../../deno.json" with { type: "json" };
import { present } from "../../structures/invariant.ts";
import { CommandError } from "../errors.ts";

/** `deno run` with the flags of the tasks. */
const run = metadata.tasks.tuned.split(" ").slice(1);
const main = new URL("../../main.ts", import.meta.url).pathname;

interface HostProcess {
  readonly child: Deno.ChildProcess;
  /** Resolves when the host is ready; rejects when it ends before. */
  readonly ready: Promise<void>;
  readonly ended: Promise<EndedHost>;
}

interface EndedHost {
  readonly status: Deno.CommandStatus;
  /** Everything that it has logged. */
  readonly said: string;
}

/** Characters of a log that an error shows. */
const SHOWN_MAX = 1_000;
/** The last words of a host that may join again. */
const MAY_JOIN_AGAIN = /its lease expired\. The process must stop; it may join again\./;
/** Time for a host to be ready, ms: far more than it takes on a machine with other work. */
const READY_MS_MAX = 120_000;
/** Hosts that are started again; more of them show a defect. */
const REJOINED_MAX = 5;

export interface HostProcessesOptions {
  /** Path of the file of all hosts. */
  readonly configuration: string;
  /** Takes the logs of the hosts, a file for each start. */
  readonly folder: string;
  /** Takes the name of each host that is started again. */
  readonly onRejoined?: (host: string) => void;
  /** The command of a host and its arguments; default: `cairn node`. */
  readonly commandOf?: (host: string) => readonly string[];
  /** Time for a host to be ready, ms; default: two minutes. */
  readonly readyMsMax?: number;
}

export class HostProcesses {
  readonly #options: HostProcessesOptions;
  readonly #running = new Map<string, HostProcess>();
  /** Starts of each host, for the names of their logs. */
  readonly #starts = new Map<string, number>();
  readonly #failure = Promise.withResolvers<never>();
  #rejoined = 0;

  constructor(options: HostProcessesOptions) {
    this.#options = options;
    this.#failure.promise.catch(() => {}); // the demo may wait for something else then
  }

  /** Rejects when a host has ended by itself and is not started again; never resolves. */
  get failure(): Promise<never> {
    return this.#failure.promise;
  }

  /** Hosts that lost their lease and were started again. */
  get rejoined(): number {
    return this.#rejoined;
  }

  /**
   * Starts hosts together and waits until they are ready.
   *
   * @throws {CommandError} One has ended before, or is not ready in time.
   */
  async start(...hosts: readonly string[]): Promise<void> {
    const started = hosts.map((host) => this.#start(host));
    await Promise.all(started.map(({ ready }) => ready));
  }

  /**
   * Ends a host; resolves when its process has ended.
   *
   * @throws {CommandError} It has ended by itself before, with the end of its log.
   */
  async end(host: string, signal: "SIGKILL" | "SIGTERM"): Promise<Deno.CommandStatus> {
    const { child, ended } = present(this.#running.get(host), "the host runs");
    this.#running.delete(host);
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the process is gone
      const { status, said } = await ended;
      throw endedByItself(host, status, said);
    }
    return (await ended).status;
  }

  /** Ends all hosts at once, apart from those that have ended by themselves. */
  async killAll(): Promise<void> {
    await Promise.allSettled([...this.#running.keys()].map((host) => this.end(host, "SIGKILL")));
  }

  #start(host: string): HostProcess {
    const starts = (this.#starts.get(host) ?? 0) + 1;
    this.#starts.set(host, starts);
    const { configuration, folder, onRejoined, commandOf } = this.#options;
    const [program, ...args] = commandOf?.(host) ??
      [Deno.execPath(), ...run, main, "node", "--host", host, "--config", configuration];
    const child = new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    const read = readLines(
      child.stderr,
      `${folder}/${host}-${starts}.log`,
      (text) => /\b(Host \S+ runs|Cairn serves)/.test(text) && resolve(),
    );
    const ended = Promise.all([child.status, read]).then(([status, said]) => {
      const isExpected = this.#running.get(host) !== process;
      if (!isExpected && MAY_JOIN_AGAIN.test(said) && this.#rejoined < REJOINED_MAX) {
        this.#rejoined++;
        onRejoined?.(host);
        this.#start(host).ready.then(resolve, reject);
      } else {
        const error = endedByItself(host, status, said);
        reject(error);
        if (!isExpected) this.#failure.reject(error);
      }
      return { status, said };
    });
    const { readyMsMax = READY_MS_MAX } = this.#options;
    const late = setTimeout(() => {
      const seconds = readyMsMax / 1_000;
      reject(new CommandError(`Host ${host} was not ready within ${seconds} seconds.`));
    }, readyMsMax);
    ready.catch(() => {}).finally(() => clearTimeout(late));
    const process: HostProcess = { child, ready, ended };
    this.#running.set(host, process);
    return process;
  }
}

function endedByItself(host: string, { code }: Deno.CommandStatus, said: string): CommandError {
  return new CommandError(
    `Host ${host} has ended by itself with exit code ${code}: ${said.slice(-SHOWN_MAX)}`,
  );
}

/** Copies a stream to a file; resolves with its text at the end. */
async function readLines(
  stream: ReadableStream<Uint8Array>,
  path: string,
  onText: (text: string) => void,
): Promise<string> {
  using file = await Deno.open(path, { create: true, write: true, truncate: true });
  const decoder = new TextDecoder();
  let said = "";
  for await (const bytes of stream) {
    await file.write(bytes);
    said += decoder.decode(bytes, { stream: true });
    onText(said);
  }
  return said;
}

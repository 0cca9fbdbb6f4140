/**
 * The hosts of the demo's mesh as processes of their own.
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

export class HostProcesses {
  readonly #configuration: string;
  readonly #folder: string;
  readonly #running = new Map<string, HostProcess>();
  /** Starts of each host, for the names of their logs. */
  readonly #starts = new Map<string, number>();

  /** @param folder Takes the logs of the hosts, a file for each start. */
  constructor(configuration: string, folder: string) {
    this.#configuration = configuration;
    this.#folder = folder;
  }

  /** Starts hosts together and waits until they are ready. */
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
      const { status: { code }, said } = await ended;
      throw new CommandError(
        `Host ${host} has ended by itself with exit code ${code}: ${said.slice(-SHOWN_MAX)}`,
      );
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
    const child = new Deno.Command(Deno.execPath(), {
      args: [...run, main, "node", "--host", host, "--config", this.#configuration],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    ready.catch(() => {});
    const read = readLines(
      child.stderr,
      `${this.#folder}/${host}-${starts}.log`,
      (text) => /\b(Host \S+ runs|Cairn serves)/.test(text) && resolve(),
    );
    const ended = Promise.all([child.status, read]).then(([status, said]) => {
      reject(new CommandError(`Host ${host} has ended: ${said.slice(-SHOWN_MAX)}`));
      return { status, said };
    });
    const process = { child, ready, ended };
    this.#running.set(host, process);
    return process;
  }
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

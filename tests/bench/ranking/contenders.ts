/**
 * The servers that the benchmark compares, each in processes of its own: Cairn, the stack that a
 * team would build by itself, and bare Hono.
 */
import project from "../../../deno.json" with { type: "json" };
import { freePorts } from "../../free_ports.ts";
import { findPython } from "../python.ts";

/** A server at work. */
export interface Contender {
  readonly name: "ours" | "paused" | "peer" | "bare";
  /** Without a path. */
  readonly url: string;
  readonly processIds: readonly number[];
  /** Ends its processes and removes its files. */
  close(): Promise<void>;
}

/** The peer cannot run on this machine; the message says what is missing. */
export class PeerMissingError extends Error {
  override readonly name = "PeerMissingError";
}

const peerModules = [
  "fastapi",
  "uvicorn",
  "uvloop",
  "httptools",
  "redis",
  "orjson",
  "onnxruntime",
  "onnx",
  "numpy",
];

export interface TracedOptions {
  /** Share of the requests whose spans are recorded. */
  readonly share: number;
  /** Variables of the exporter. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface OursOptions {
  /** Whether it trains on its rankings. Default: true. */
  readonly trains?: boolean;
  /** Default: no request is traced. */
  readonly traced?: TracedOptions;
}

/** Cairn with the shop's items; every item is learned and was ranked once. */
export async function startOurs(
  items: number,
  { trains = true, traced }: OursOptions = {},
): Promise<Contender> {
  const directory = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
  const server = await startDeno("shop_server.ts", [
    "--directory",
    directory,
    "--items",
    String(items),
    "--traced",
    String(traced?.share ?? 0),
    ...(trains ? [] : ["--paused"]),
  ], traced?.environment);
  return {
    name: trains ? "ours" : "paused",
    url: server.firstLine,
    processIds: [server.process.pid],
    async close() {
      await end(server);
      Deno.removeSync(directory, { recursive: true });
    },
  };
}

/** Hono with nothing behind it. */
export async function startBare(): Promise<Contender> {
  const server = await startDeno("bare_server.ts", []);
  return {
    name: "bare",
    url: server.firstLine,
    processIds: [server.process.pid],
    close: () => end(server),
  };
}

/**
 * FastAPI, Redis and ONNX Runtime with the shop's items.
 *
 * @throws {PeerMissingError} When its software is not installed.
 */
export async function startPeer(items: number): Promise<Contender> {
  const python = await findPython(peerModules);
  if (python === undefined) {
    throw new PeerMissingError(
      `a Python ($PYTHON, python3 or /usr/bin/python3) with ${
        peerModules.join(", ")
      }; on Debian: ` +
        "python3-fastapi uvicorn python3-uvloop python3-httptools python3-redis python3-orjson " +
        "python3-onnxruntime python3-onnx python3-numpy",
    );
  }
  const [redisPort] = freePorts(1);
  const redis = startRedis(redisPort);
  const script = new URL("./peers/rank_server.py", import.meta.url).pathname;
  const peerArguments = ["--items", String(items), "--redis", String(redisPort)];
  try {
    await untilListening(redisPort);
    const loading = new Deno.Command(python, { args: [script, "load", ...peerArguments] });
    const { success, stderr } = await loading.output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    // Debian's ONNX Runtime and onnx register the same schemas, with a line for each.
    const server = await started(python, [script, "serve", ...peerArguments], "null");
    return {
      name: "peer",
      url: `http://127.0.0.1:${server.firstLine}`,
      processIds: [server.process.pid, redis.pid],
      async close() {
        server.process.kill("SIGKILL");
        await end(server);
        redis.kill("SIGKILL");
        await redis.status;
      },
    };
  } catch (error) {
    redis.kill("SIGKILL");
    await redis.status;
    throw error;
  }
}

function startRedis(port: number): Deno.ChildProcess {
  try {
    return new Deno.Command("redis-server", {
      args: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new PeerMissingError("redis-server; on Debian: redis-server");
  }
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch (error) {
      if (tries > 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A process that has printed its first line. */
interface Started {
  readonly process: Deno.ChildProcess;
  readonly firstLine: string;
  /** Resolves when its output ends. */
  readonly output: Promise<void>;
}

/** With the V8 flags of `deno task tuned`, like the server of a user. */
function startDeno(
  script: string,
  scriptArguments: readonly string[],
  environment?: Readonly<Record<string, string>>,
): Promise<Started> {
  const path = new URL(`./${script}`, import.meta.url).pathname;
  const [, ...tuned] = project.tasks.tuned.split(" ");
  return started(Deno.execPath(), [...tuned, path, ...scriptArguments], "inherit", environment);
}

async function started(
  command: string,
  commandArguments: readonly string[],
  stderr: "inherit" | "null" = "inherit",
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const process = new Deno.Command(command, {
    args: [...commandArguments],
    stdin: "piped",
    stdout: "piped",
    stderr,
    env: environment,
  }).spawn();
  const lines = process.stdout.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = "";
  while (!text.includes("\n")) {
    const { done, value } = await lines.next();
    if (done) throw new Error(`${command} ${commandArguments.join(" ")} has ended`);
    text += value;
  }
  const output = (async () => {
    while (!(await lines.next()).done) { /* what it prints later is dropped */ }
  })();
  return { process, firstLine: text.slice(0, text.indexOf("\n")), output };
}

async function end({ process, output }: Started): Promise<void> {
  await process.stdin.close();
  await process.status;
  await output;
}

/**
 * The cost of a table that grows: the bytes of a snapshot after a part of the rows changed, the
 * time of a start, and the core time of a ranking.
 *
 *     deno task bench:growth [--json] [--rows 1000000,4000000,16000000] [--percent 1]
 *
 * Each size has two processes of its own. The first fills a mesh, takes a snapshot of all rows,
 * touches `percent` of them, takes another, and ranks. The second is a server that starts from
 * these snapshots; it is asked for a ranking from its first moment on.
 */
import { parseArgs } from "node:util";
import { freePorts } from "../../free_ports.ts";
import { processorName } from "../embedding/core_time.ts";
import { configurationText, fill, type Filled } from "./fill.ts";

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rows: { type: "string", default: "1000000,4000000,16000000" },
    percent: { type: "string", default: "1" },
    /** The folder that the first process of a size fills. */
    fill: { type: "string" },
  },
});
const SERVE_FLAGS =
  "--v8-flags=--min-semi-space-size=16,--heap-growing-percent=600,--external-memory-max-growing-factor=8,--no-memory-reducer";
/** Bytes of a row in a training and a serving table together, for the check of the memory. */
const ROW_BYTES_ROUGH = 320;
const POLL_MS = 10;
/** Pause between two looks at the rows of all replicas, for which a server asks each thread, ms. */
const ROWS_POLL_MS = 100;

if (options.fill !== undefined) {
  const filled = await fill(options.fill, Number(options.rows), Number(options.percent) / 100);
  console.log(JSON.stringify(filled));
  Deno.exit(0);
}
for (const rows of options.rows.split(",").map(Number)) await measure(rows);

async function measure(rows: number): Promise<void> {
  const { available } = Deno.systemMemoryInfo();
  if (available < rows * ROW_BYTES_ROUGH) {
    console.error(`${rows} rows do not fit into the ${available} bytes of memory left; left out`);
    return;
  }
  const directory = Deno.makeTempDirSync({ prefix: "cairn-growth-" });
  try {
    const filled = await fillElsewhere(directory, rows);
    const started = await start(directory, rows);
    const line = { bench: "growth", rows, ...filled, ...started, processor: processorName() };
    console.log(options.json ? JSON.stringify(line) : described(line));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function fillElsewhere(directory: string, rows: number): Promise<Filled> {
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", SERVE_FLAGS, import.meta.filename ?? "", "--fill", directory],
      ...["--rows", String(rows), "--percent", options.percent],
    ],
    stderr: "inherit",
  }).output();
  if (code !== 0) throw new Error(`the mesh of ${rows} rows could not be filled`);
  return JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "");
}

interface Started {
  /** Until all rows are loaded. */
  readonly startSeconds: number;
  /** Until the first ranking is answered. */
  readonly firstRankingSeconds: number;
  /** Core time of the process until then: comparable where other work has the cores. */
  readonly firstRankingCoreSeconds: number;
  /** Whether the items of the first ranking had their rows, and no initial values. */
  readonly firstRankingHasRows: boolean;
  /** Core time of the process until all rows are loaded. */
  readonly startCoreSeconds: number;
  readonly rssBytesPerRow: number;
}

async function start(directory: string, rows: number): Promise<Started> {
  const [port] = freePorts(1);
  const file = `${directory}/bench.yaml`;
  Deno.writeTextFileSync(file, configurationText(directory, rows, port));
  const beganAtMs = performance.now();
  const seconds = () => Number(((performance.now() - beganAtMs) / 1_000).toFixed(2));
  const main = new URL("../../../main.ts", import.meta.url).pathname;
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SERVE_FLAGS, main, "serve", "--config", file],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const url = `http://127.0.0.1:${port}`;
    const rank = () =>
      fetch(`${url}/v1/rank`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ user: "u1", candidates: [{ id: "i1" }, { id: "i2" }] }),
      });
    let first: Ranking | undefined;
    await until(async () => (first = await rankingOf(rank())) !== undefined);
    const firstRankingSeconds = seconds();
    const firstRankingCoreSeconds = coreSecondsOf(server.pid);
    await until(async () => await rowsServed(url) >= rows, ROWS_POLL_MS);
    const startSeconds = seconds();
    return {
      startSeconds,
      firstRankingSeconds,
      firstRankingCoreSeconds,
      firstRankingHasRows: first?.items.every(({ cold }) => !cold) === true,
      startCoreSeconds: coreSecondsOf(server.pid),
      rssBytesPerRow: Math.round(rssOf(server.pid) / rows),
    };
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
}

/** Rows of all replicas, by the metrics: a busy shard tells no health check that it loads. */
async function rowsServed(url: string): Promise<number> {
  const text = await fetch(`${url}/metrics`).then((answer) => answer.text(), () => "");
  const counts = [...text.matchAll(/^cairn_replica_rows\{.*\} (\S+)$/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

interface Ranking {
  readonly items: readonly { readonly cold: boolean }[];
}

/** Undefined where the server does not rank yet. */
async function rankingOf(response: Promise<Response>): Promise<Ranking | undefined> {
  const answer = await response.catch(() => undefined);
  if (answer?.status === 200) return await answer.json();
  await answer?.body?.cancel();
  return undefined;
}

async function until(holds: () => Promise<boolean>, pollMs = POLL_MS): Promise<void> {
  while (!await holds()) await new Promise((resolve) => setTimeout(resolve, pollMs));
}

/** Seconds that the threads of a process were on a core; ticks of the kernel are 10 ms. */
function coreSecondsOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1].split(" ");
  const [user, system] = [fields[11], fields[12]].map(Number);
  return (user + system) / 100;
}

function rssOf(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return 1024 * Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]);
}

function described(line: { readonly rows: number } & Filled & Started): string {
  const share = (line.snapshotBytesAfterPercent / line.snapshotBytesFull * 100).toFixed(1);
  return `${line.rows.toLocaleString("en")} rows: a snapshot of all ` +
    `${
      line.snapshotBytesFull.toLocaleString("en")
    } bytes, after ${options.percent} % of the rows ` +
    `changed ${share} % of them; first ranking after ${line.firstRankingSeconds} s ` +
    `${line.firstRankingHasRows ? "by its rows" : "by initial values"}, all rows after ` +
    `${line.startSeconds} s; ${line.coreMicrosPerRanking} us of core time a ranking; ` +
    `${line.bytesPerRow.toFixed(0)} bytes a row`;
}

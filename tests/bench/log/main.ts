/**
 * Appends to the event log: embedded in files, and on Redis and Valkey by fsync policy, for records
 * of 1 to 64 KiB; 16 on the way at a time. Durable appends, and on a server that syncs every second
 * also appends that wait for its memory only, as those of rankings do.
 *
 * All stores run in turns, so that a busy machine slows all of them; each figure is the median of
 * the rounds. Core time is this process and the server together. Every record is read back and
 * compared before a figure is printed.
 *
 *     deno task bench:log --json
 */
import assert from "node:assert/strict";
import { EmbeddedEventLog } from "../../../mesh/adapters/embedded/embedded_event_log.ts";
import {
  isInstalled,
  LocalServer,
  type ServerProgram,
} from "../../../mesh/adapters/redis/local_server.ts";
import { RedisEventLog } from "../../../mesh/adapters/redis/redis_event_log.ts";
import { RedisServer } from "../../../mesh/adapters/redis/redis_server.ts";
import type { AppendUntil, EventLog } from "../../../mesh/ports/event_log.ts";

interface Target {
  readonly store: string;
  readonly fsync: string;
  readonly until: AppendUntil;
  readonly log: EventLog;
  /** Core time of the server so far, ms. */
  serverCoreMs(): number;
  close(): Promise<void>;
}

interface Figures {
  readonly appendsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly coreMicros: number;
}

const sizesKiB = [1, 4, 16, 64];
const ROUNDS = 5;
const IN_FLIGHT = 16;
/** Bytes of one round: small records are many, large ones few. */
const ROUND_BYTES = 4 * 2 ** 20;
const BYTES_MAX = 2 ** 30;
/** Clock ticks of `/proc` a second. */
const TICKS = 100;

const root = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
const targets: Target[] = [await embedded()];
for (const program of ["redis-server", "valkey-server"] as const) {
  if (!isInstalled(program)) {
    console.error(`${program} is not installed: its rows are missing`);
    continue;
  }
  targets.push(await onServer(program, "always", "durable"));
  targets.push(await onServer(program, "everysec", "durable"));
  targets.push(await onServer(program, "everysec", "written"));
}

const measured = new Map<string, Figures[]>();
for (const sizeKiB of sizesKiB) {
  for (let round = 0; round < ROUNDS; round++) {
    for (const target of targets) {
      // An append that waits for the sync of each second need not be measured as often.
      if (waitsForSecond(target) && round % 2 === 1) continue;
      const key = `${inWords(target)} ${sizeKiB}`;
      const figures = await measure(target, sizeKiB * 1024);
      measured.set(key, [...measured.get(key) ?? [], figures]);
    }
  }
  if (Deno.args.includes("--json")) continue;
  for (const target of targets) print(target, sizeKiB);
}
if (Deno.args.includes("--json")) {
  const rows = targets.flatMap((target) =>
    sizesKiB.map((sizeKiB) => ({
      store: target.store,
      fsync: target.fsync,
      until: target.until,
      sizeKiB,
      ...medians(target, sizeKiB),
    }))
  );
  console.log(JSON.stringify({ bench: "log", inFlight: IN_FLIGHT, rows }));
}
for (const { close } of targets) await close();
Deno.removeSync(root, { recursive: true });

async function measure(target: Target, bytes: number): Promise<Figures> {
  const count = waitsForSecond(target) ? 3 * IN_FLIGHT : Math.max(64, ROUND_BYTES / bytes);
  const record = new Uint8Array(bytes).map((_, i) => i % 251);
  const times: number[] = [];
  const before = await target.log.endOffset(0);
  const [coreMs, beganMs] = [ownCoreMs() + target.serverCoreMs(), performance.now()];
  let sent = 0;
  const sender = async () => {
    while (sent++ < count) {
      const startMs = performance.now();
      await target.log.append(0, [record], target.until);
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, sender));
  const tookMs = performance.now() - beganMs;
  const usedMs = ownCoreMs() + target.serverCoreMs() - coreMs;
  const read = target.until === "durable" ? await target.log.read(0, before, count + 1) : [];
  if (target.until === "durable") assert.equal(read.length, count);
  for (const { bytes } of read) assert.deepEqual(bytes, record);
  const end = await target.log.endOffset(0);
  assert.equal(end - before, count);
  await target.log.trim(0, end);
  times.sort((a, b) => a - b);
  return {
    appendsPerSecond: count / tookMs * 1_000,
    p50Ms: times[Math.floor(times.length / 2)],
    p99Ms: times[Math.floor(times.length * 0.99)],
    coreMicros: usedMs * 1_000 / count,
  };
}

async function embedded(): Promise<Target> {
  const log = await EmbeddedEventLog.open({
    directory: `${root}/embedded`,
    partitions: 1,
    mode: "write",
    bytesMax: BYTES_MAX,
  });
  return {
    store: "embedded",
    fsync: "each turn",
    until: "durable",
    log,
    serverCoreMs: () => 0,
    close: () => log.close(),
  };
}

async function onServer(
  program: ServerProgram,
  fsync: "always" | "everysec",
  until: AppendUntil,
): Promise<Target> {
  const directory = `${root}/${program}-${fsync}-${until}`;
  Deno.mkdirSync(directory);
  const settings = { appendfsync: fsync };
  const local = await LocalServer.start({ program, directory, settings });
  const server = await RedisServer.open({ url: local.url, mesh: "bench" });
  const log = await RedisEventLog.open({
    server,
    name: "events",
    partitions: 1,
    bytesMax: BYTES_MAX,
    writer: crypto.randomUUID(),
    writtenBudgetMs: 60_000,
  });
  return {
    store: program.replace("-server", ""),
    fsync,
    until,
    log,
    serverCoreMs: () => coreMsOf(local.pid),
    async close() {
      await log.close();
      server.close();
      await local.kill();
    },
  };
}

/** Whether an append waits for the sync of each second. */
function waitsForSecond({ fsync, until }: Target): boolean {
  return fsync === "everysec" && until === "durable";
}

function inWords({ store, fsync, until }: Target): string {
  return until === "written" ? `${store} ${fsync}, ${until}` : `${store} ${fsync}`;
}

function ownCoreMs(): number {
  return coreMsOf(Deno.pid);
}

/** User and system time of a process, ms. */
function coreMsOf(pid: number | undefined): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 1_000 / TICKS;
}

function medians(target: Target, sizeKiB: number): Figures {
  const all = measured.get(`${inWords(target)} ${sizeKiB}`) ?? [];
  const median = (of: (figures: Figures) => number) => {
    const sorted = all.map(of).sort((a, b) => a - b);
    return Number(sorted[Math.floor(sorted.length / 2)].toFixed(3));
  };
  return {
    appendsPerSecond: Math.round(median(({ appendsPerSecond }) => appendsPerSecond)),
    p50Ms: median(({ p50Ms }) => p50Ms),
    p99Ms: median(({ p99Ms }) => p99Ms),
    // A tick is 10 ms: the mean of the rounds is finer than their median.
    coreMicros: Math.round(all.reduce((sum, each) => sum + each.coreMicros, 0) / all.length),
  };
}

function print(target: Target, sizeKiB: number): void {
  const { appendsPerSecond, p50Ms, p99Ms, coreMicros } = medians(target, sizeKiB);
  console.log(
    [
      inWords(target).padEnd(26),
      `${sizeKiB} KiB`.padStart(7),
      `${appendsPerSecond.toLocaleString("en")}/s`.padStart(12),
      `p50 ${p50Ms.toFixed(2)} ms`.padStart(14),
      `p99 ${p99Ms.toFixed(2)} ms`.padStart(14),
      `${coreMicros} us of a core`.padStart(20),
    ].join(" "),
  );
}

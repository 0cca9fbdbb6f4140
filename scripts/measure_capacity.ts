/**
 * Measures the coefficients of `cairn size` on this machine, and writes cli/size/coefficients.json.
 *
 *     deno run -A scripts/measure_capacity.ts [--print] [--seconds 20]
 *
 * A server with threads and files ranks a small shop: without learning, with few and with many
 * candidates; then with learning and clicks. Core time is the server's process alone, from /proc;
 * the client is this process. Disk is read from the logs' metrics and the profile file.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import project from "../deno.json" with { type: "json" };
import type { Coefficients } from "../cli/size/coefficients.ts";
import { processorName } from "../tests/bench/embedding/core_time.ts";
import { coreTimeOf, residentMiB } from "../tests/bench/ranking/processes.ts";

const { values: options } = parseArgs({
  options: {
    print: { type: "boolean", default: false },
    seconds: { type: "string", default: "20" },
  },
});
const seconds = Number(options.seconds);
const target = new URL("../cli/size/coefficients.json", import.meta.url);
const main = new URL("../main.ts", import.meta.url).pathname;

const ITEMS = 20_000;
const USERS = 20_000;
const FEW = 25;
const MANY = 100;
/** Requests at a time. */
const CONNECTIONS = 4;
/** Time before each measurement, in which code is compiled and caches fill, ms. */
const WARM_UP_MS = 5_000;
const WINDOW_MS = 1_000;

/** Clicks sent; each has an id of its own. */
let clicks = 0;

const directory = await Deno.makeTempDir({ prefix: "cairn-capacity-" });
const configuration = `${directory}/cairn.yaml`;
await Deno.writeTextFile(
  configuration,
  `features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
    category: { kind: categorical, source: item }
    tags: { kind: list, source: item, pooling: mean }
    price: { kind: numeric, source: item, buckets: { kind: log }, dense: { kind: log } }
    device: { kind: categorical, source: context }
    hour: { kind: time, part: hourOfDay }
model: { kind: deepFm, embeddingDim: 16, hidden: [64, 32], tasks: [click] }
joiner:
  window: ${WINDOW_MS}ms
  tasks: { click: [{ action: click, label: positive, final: true }] }
storage: { kind: directory, path: data, logBytesMax: 1GiB, snapshots: { interval: 10m } }
placement: { kind: workers }
`,
);
const [, ...tuned] = project.tasks.tuned.split(" ");
let url = "";
let processIds: number[] = [];
try {
  const disk = await withServer(["--set", "joiner.window=1h"], measureDisk);
  const measured = await withServer([], async () => await measureWork(disk));
  const text = `${JSON.stringify(measured, undefined, 2)}\n`;
  if (options.print) console.log(text);
  else await Deno.writeTextFile(target, text);
} finally {
  await Deno.remove(directory, { recursive: true });
}

async function withServer<T>(more: readonly string[], work: () => Promise<T>): Promise<T> {
  const server = new Deno.Command(Deno.execPath(), {
    args: [...tuned, main, "serve", "--config", configuration, "--port", "0", ...more],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  try {
    url = await urlOf(server.stderr);
    processIds = [server.pid];
    return await work();
  } finally {
    server.kill("SIGTERM");
    await server.status;
    await Deno.remove(`${directory}/data`, { recursive: true });
  }
}

type Disk = Pick<
  Coefficients,
  "rankingLogBytes" | "candidateLogBytes" | "eventLogBytes" | "profileBytes"
>;

/** Bytes on disk, while no window closes, so that the event log keeps everything. */
async function measureDisk(): Promise<Disk> {
  const profileBytes = await storeItems();
  const logOf = async (count: number, append: (i: number) => Promise<unknown>) => {
    const before = await metric("cairn_log_bytes", 'log="events"');
    for (let i = 0; i < count; i++) await append(i);
    return (await metric("cairn_log_bytes", 'log="events"') - before) / count;
  };
  const answers: Answer[] = [];
  const few = await logOf(300, async () => answers.push(await rank(FEW, true)));
  const many = await logOf(300, () => rank(MANY, true));
  const event = await logOf(300, (i) => click(answers[i].rankingId, answers[i].items[0].id));
  const candidateLogBytes = (many - few) / (MANY - FEW);
  return {
    rankingLogBytes: round(few - FEW * candidateLogBytes),
    candidateLogBytes: round(candidateLogBytes),
    eventLogBytes: round(event),
    profileBytes: round(profileBytes),
  };
}

async function measureWork(disk: Disk): Promise<Coefficients> {
  await pause(2_000);
  const processBytes = residentMiB(processIds) * 2 ** 20;
  await storeItems();
  const few = await measure(FEW, false);
  const many = await measure(MANY, false);
  const candidateMicros = (many.micros - few.micros) / (MANY - FEW);
  const learning = await measure(MANY, true);
  const eventMicros = await measureEvents();
  const learningMicros = learning.micros - many.micros - learning.events * eventMicros;
  const tables = await metric("cairn_shard_bytes");
  const workingBytes = residentMiB(processIds) * 2 ** 20 - processBytes - tables;
  return {
    processor: processorName(),
    cores: navigator.hardwareConcurrency,
    date: new Date().toISOString().slice(0, 10),
    command: "deno run -A scripts/measure_capacity.ts",
    load: round(Deno.loadavg()[0]),
    candidates: [FEW, MANY],
    rankingMicros: round(few.micros - FEW * candidateMicros),
    candidateMicros: round(candidateMicros),
    eventMicros: round(eventMicros),
    exampleMicros: round(learningMicros / learning.examples),
    ...disk,
    exampleLogBytes: round(learning.exampleBytes),
    processBytes: Math.round(processBytes),
    workingBytes: Math.max(0, Math.round(workingBytes)),
  };
}

/** Stores the items; resolves with the bytes of one on disk. */
async function storeItems(): Promise<number> {
  for (let from = 0; from < ITEMS; from += 1_000) {
    const items = Array.from({ length: 1_000 }, (_, i) => ({
      id: `i${from + i}`,
      attributes: {
        category: `c${(from + i) % 300}`,
        tags: [`t${i % 97}`, `t${i % 49}`],
        price: 1 + i % 500,
      },
    }));
    await send("/v1/items", items);
  }
  const files = ["profiles.db", "profiles.db-wal"].map(async (name) =>
    (await Deno.stat(`${directory}/data/${name}`).catch(() => ({ size: 0 }))).size
  );
  return (await Promise.all(files)).reduce((sum, size) => sum + size, 0) / ITEMS;
}

interface PerRanking {
  /** Core time, microseconds. */
  readonly micros: number;
  readonly events: number;
  readonly examples: number;
  /** Bytes of the example log for an example. */
  readonly exampleBytes: number;
}

/** The work of one ranking; every fifth gets a click where it learns. */
async function measure(candidates: number, learns: boolean): Promise<PerRanking> {
  await load(candidates, learns, WARM_UP_MS);
  if (learns) await settle();
  const examplesBefore = await metric("cairn_trainer_examples_total");
  const bytesBefore = await metric("cairn_log_bytes", 'log="examples"');
  const before = coreTimeOf(processIds).micros;
  const { rankings, events } = await load(candidates, learns, 1_000 * seconds);
  // The windows close, and the examples are learned.
  if (learns) await settle();
  const micros = coreTimeOf(processIds).micros - before;
  const examples = await metric("cairn_trainer_examples_total") - examplesBefore;
  const bytes = await metric("cairn_log_bytes", 'log="examples"') - bytesBefore;
  return {
    micros: micros / rankings,
    events: events / rankings,
    examples: examples / rankings,
    exampleBytes: bytes / Math.max(1, examples),
  };
}

async function load(candidates: number, learns: boolean, ms: number) {
  const untilMs = performance.now() + ms;
  let [rankings, events] = [0, 0];
  const client = async () => {
    while (performance.now() < untilMs) {
      const answer = await rank(candidates, learns);
      rankings++;
      if (!learns || rankings % 5 > 0) continue;
      await click(answer.rankingId, answer.items[0].id);
      events++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  return { rankings, events };
}

function rank(candidates: number, learn: boolean): Promise<Answer> {
  const first = Math.floor(Math.random() * ITEMS);
  return send("/v1/rank", {
    user: `u${Math.floor(Math.random() * USERS)}`,
    context: { device: "phone" },
    learn,
    limit: candidates,
    candidates: Array.from({ length: candidates }, (_, i) => ({
      id: `i${(first + 7 * i) % ITEMS}`,
    })),
  });
}

function click(rankingId: string, item: string): Promise<Answer> {
  return send("/v1/events", { eventId: `e${clicks++}`, rankingId, item, action: "click" });
}

/** Core time of an event, beyond that of a server without requests. */
async function measureEvents(): Promise<number> {
  const count = 3_000;
  const answers: Answer[] = [];
  for (let i = 0; i < count; i++) answers.push(await rank(2, true));
  await settle();
  let before = coreTimeOf(processIds).micros;
  const idleMs = 4_000;
  await pause(idleMs);
  const idle = (coreTimeOf(processIds).micros - before) / idleMs;
  before = coreTimeOf(processIds).micros;
  const beganAtMs = performance.now();
  // Their windows have closed, so nothing is learned from these events.
  const lanes = Array.from({ length: CONNECTIONS }, async (_, lane) => {
    for (let i = lane; i < count; i += CONNECTIONS) {
      await click(answers[i].rankingId, answers[i].items[0].id);
    }
  });
  await Promise.all(lanes);
  const micros = coreTimeOf(processIds).micros - before;
  return Math.max(0, micros - idle * (performance.now() - beganAtMs)) / count;
}

/** Lets the windows close: they run on the time of requests. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await pause(WINDOW_MS);
    await rank(2, true);
  }
  await pause(WINDOW_MS);
}

/** The sum of a metric's series, or of those with a label. */
async function metric(name: string, label = ""): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text.split("\n")
    .filter((line) => /^[\w:]+/.exec(line)?.[0] === name && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

interface Answer {
  readonly rankingId: string;
  readonly items: readonly { readonly id: string }[];
}

async function send(path: string, body: unknown): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

async function urlOf(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const found = Promise.withResolvers<string>();
  (async () => {
    let said = "";
    for await (const text of stderr.pipeThrough(new TextDecoderStream())) {
      said = (said + text).slice(-10_000);
      const address = /Cairn serves on (\S+)/.exec(said)?.[1];
      if (address !== undefined) found.resolve(address);
    }
    found.reject(new Error(`the server has ended: ${said}`));
  })();
  return await found.promise;
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}

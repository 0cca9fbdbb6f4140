/**
 * Measures the cost of distribution: the core time of all processes, Redis included, for each
 * ranking and each example, and the bytes between hosts, of one process and of meshes of hosts. All
 * of them run side by side and get the same requests in turns; figures are medians of the turns.
 *
 *     deno task bench:mesh --json [--seconds 6] [--turns 5] [--clients 16] [--rate 150,half]
 *         [--hosts 1,2,4] [--replicas all] [--warm 8000]
 *
 * Core time is read from /proc, so other work on the machine does not count. Work that waits
 * together shares turns and passes, so all arrangements get the same `--rate` of rankings a second.
 * There may be several rates, which take turns; `half` is half of the rate that the slowest
 * arrangement reaches. With `--rate 0` each client asks again at once, and faster arrangements
 * share more. The difference of two rates tells the cost of a second from that of a ranking. With
 * `--replicas all,2` each mesh runs with either number of `embeddings.serving.replicas`. Code is
 * compiled while it is used: each gateway answers `--warm` rankings first. `coreMicrosPerExample`
 * is measured with rankings and events together, less the core time of the rankings.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { installedProgram, LocalServer } from "../../../mesh/adapters/redis/local_server.ts";
import {
  type Arrangement,
  arrangementsOf,
  micros,
  rowsServed,
  type Running,
  sent,
  start,
} from "./arrangement.ts";

const CANDIDATES = 100;
const ITEMS = 2_000;
const USERS = 1_000;

/** Core time and bytes of one arrangement. */
interface Figures {
  readonly bench: "mesh";
  readonly hosts: number;
  readonly servingHosts: number;
  /** As `embeddings.serving.replicas`. */
  readonly replicas: string;
  /** Rankings a second that were offered; 0 = each client asked again at once. */
  readonly rate: number;
  readonly coreMicrosPerRanking: number;
  readonly coreMicrosPerExample: number;
  readonly bytesBetweenHostsPerRanking: number;
  /** Core time of each process for a ranking; roles by plus signs. */
  readonly byProcess: Readonly<Record<string, number>>;
  /** Bytes and frames that each host sends for a ranking. */
  readonly sentPerRanking: Readonly<
    Record<string, { readonly bytes: number; readonly frames: number }>
  >;
  /** Rows that each host serves, after the last turn. */
  readonly rowsServed: Readonly<Record<string, number>>;
  readonly rankingsPerSecond: number;
  /** Core time of each process without requests, ms a second; it is part of that for a ranking. */
  readonly idleCoreMillisPerSecond: Readonly<Record<string, number>>;
}

/** The requests of a turn. */
interface Load {
  readonly clients: number;
  readonly seconds: number;
  /** Rankings a second of all clients; 0 = each client asks again at once. */
  readonly rate: number;
}

async function post(port: number, path: string, body: unknown) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  assert.ok(response.ok, `${response.status}: ${JSON.stringify(answer)}`);
  return answer;
}

let visit = 0;

/** One ranking, and an event on it where `acts`. */
async function ask(port: number, acts: boolean): Promise<void> {
  const number = visit++;
  const candidates = Array.from(
    { length: CANDIDATES },
    (_, i) => ({ id: `item-${(number * 37 + i * 13) % ITEMS}` }),
  );
  const user = `user-${number % USERS}`;
  const { rankingId, items } = await post(port, "/v1/rank", { user, candidates });
  if (!acts) return;
  const event = { eventId: `e-${number}`, rankingId, item: items[0].id, action: "click" };
  await post(port, "/v1/events", event);
}

/** Rankings for some time, each with an event where `acts`; how many there were. */
async function load(
  gateways: readonly number[],
  { clients, seconds, rate }: Load,
  acts: boolean,
): Promise<number> {
  const beginMs = performance.now();
  const endsMs = beginMs + 1_000 * seconds;
  let begun = 0, rankings = 0;
  const client = async (own: number) => {
    for (;;) {
      const dueMs = rate === 0 ? 0 : beginMs + 1_000 * begun++ / rate;
      if (Math.max(dueMs, performance.now()) >= endsMs) return;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
      await ask(gateways[own % gateways.length], acts);
      rankings++;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  return rankings;
}

/** Compiles the code of all gateways, and gives all users and items rows. */
async function warm({ gateways }: Running, rankings: number, clients: number): Promise<void> {
  let left = rankings * gateways.length;
  const client = async (own: number) => {
    while (left-- > 0) await ask(gateways[own % gateways.length], left % 4 === 0);
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function median(values: readonly number[]): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.floor(ordered.length / 2)];
}

/** Differences by name. */
function less(after: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>) {
  return new Map([...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)]));
}

const total = (values: ReadonlyMap<string, number>) =>
  [...values.values()].reduce((sum, value) => sum + value, 0);

/** One turn of an arrangement. */
interface Turn {
  readonly rankings: number;
  readonly perRanking: ReadonlyMap<string, number>;
  readonly perExample: number;
  readonly bytes: ReadonlyMap<string, number>;
  readonly frames: ReadonlyMap<string, number>;
}

async function turn(running: Running, requests: Load): Promise<Turn> {
  const sentBefore = await sent(running);
  const before = micros(running);
  const rankings = await load(running.gateways, requests, false);
  const ranked = less(micros(running), before);
  await pause(1_500); // counters are set each second
  const sentAfter = await sent(running);
  const perRanking = new Map([...ranked].map(([name, value]) => [name, value / rankings]));

  const beforeLearning = micros(running);
  const learned = await load(running.gateways, requests, true);
  await pause(1_000); // the last examples are learned
  const withEvents = total(less(micros(running), beforeLearning)) / learned;
  const of = (unit: "bytes" | "frames") =>
    new Map([...sentAfter].map(([name, counts]) => [
      name,
      (counts[unit] - (sentBefore.get(name)?.[unit] ?? 0)) / rankings,
    ]));
  return {
    rankings,
    perRanking,
    perExample: withEvents - total(perRanking),
    bytes: of("bytes"),
    frames: of("frames"),
  };
}

/** Figures of an arrangement that do not depend on the rate. */
interface Measured {
  readonly arrangement: Arrangement;
  readonly servingHosts: number;
  /** Core time of each process without requests, ms a second. */
  readonly idle: ReadonlyMap<string, number>;
  /** Rows that each host serves. */
  readonly rows: ReadonlyMap<string, number>;
}

function figuresOf(
  { arrangement, servingHosts, idle, rows }: Measured,
  turns: readonly Turn[],
  { seconds, rate }: Load,
): Figures {
  const medians = (of: (turn: Turn) => ReadonlyMap<string, number>, digits = 0) =>
    Object.fromEntries([...of(turns[0]).keys()].map((name) => [
      name,
      Number(median(turns.map((turn) => of(turn).get(name) ?? 0)).toFixed(digits)),
    ]));
  const frames = medians(({ frames }) => frames, 2);
  return {
    bench: "mesh",
    hosts: Math.max(Object.keys(arrangement.layout).length, 1),
    servingHosts,
    replicas: arrangement.replicas,
    rate,
    coreMicrosPerRanking: Math.round(median(turns.map(({ perRanking }) => total(perRanking)))),
    coreMicrosPerExample: Math.round(median(turns.map(({ perExample }) => perExample))),
    bytesBetweenHostsPerRanking: Math.round(median(turns.map(({ bytes }) => total(bytes)))),
    byProcess: medians(({ perRanking }) => perRanking),
    sentPerRanking: Object.fromEntries(
      Object.entries(medians(({ bytes }) => bytes))
        .map(([name, bytes]) => [name, { bytes, frames: frames[name] }]),
    ),
    rowsServed: Object.fromEntries(rows),
    rankingsPerSecond: Math.round(median(turns.map(({ rankings }) => rankings)) / seconds),
    idleCoreMillisPerSecond: Object.fromEntries(
      [...idle].map(([name, value]) => [name, Number(value.toFixed(1))]),
    ),
  };
}

if (import.meta.main) {
  const { values: flags } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "6" },
      turns: { type: "string", default: "5" },
      clients: { type: "string", default: "16" },
      rate: { type: "string", default: "150,half" },
      warm: { type: "string", default: "8000" },
      hosts: { type: "string", default: "1,2,4" },
      replicas: { type: "string", default: "all" },
    },
  });
  const program = installedProgram();
  if (program === undefined) {
    console.error("Install a server: apt-get install redis-server");
    Deno.exit(1);
  }
  const [seconds, clients] = [flags.seconds, flags.clients].map(Number);
  await using cleanup = new AsyncDisposableStack();
  const arrangements = [];
  const asked = flags.hosts.split(",")
    .flatMap((hosts) => arrangementsOf(Number(hosts), flags.replicas.split(",")));
  for (const arrangement of asked) {
    const folder = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
    cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
    const redis = await LocalServer.start({ program, directory: folder });
    cleanup.defer(() => redis.kill());
    const running = await start(arrangement, folder, redis);
    cleanup.defer(() => running.end());
    await warm(running, Number(flags.warm), clients);
    arrangements.push({ arrangement, running });
  }
  await pause(3_000);
  const before = arrangements.map(({ running }) => micros(running));
  await pause(5_000);
  const idle = arrangements.map(({ running }, i) =>
    new Map([...less(micros(running), before[i])].map(([name, value]) => [name, value / 5_000]))
  );
  const rates: number[] = [];
  for (const rate of flags.rate.split(",")) {
    if (rate !== "half") rates.push(Number(rate));
    else {
      const reached: number[] = [];
      for (const { running: { gateways } } of arrangements) {
        reached.push(await load(gateways, { seconds, clients, rate: 0 }, false) / seconds);
      }
      rates.push(Math.round(Math.min(...reached) / 2));
    }
  }
  const turns = arrangements.map(() => rates.map((): Turn[] => []));
  for (let i = 0; i < Number(flags.turns); i++) {
    for (const [at, rate] of rates.entries()) {
      for (const [index, { running }] of arrangements.entries()) {
        turns[index][at].push(await turn(running, { seconds, clients, rate }));
      }
    }
  }
  const rows = await Promise.all(arrangements.map(({ running }) => rowsServed(running)));
  for (const [at, rate] of rates.entries()) {
    let first: number | undefined;
    arrangements.forEach(({ arrangement, running }, i) => {
      const servingHosts = running.gateways.length;
      const measured = { arrangement, servingHosts, idle: idle[i], rows: rows[i] };
      const figures = figuresOf(measured, turns[i][at], { seconds, clients, rate });
      first ??= figures.coreMicrosPerRanking;
      const ratio = (figures.coreMicrosPerRanking / first).toFixed(2);
      if (flags.json) return console.log(JSON.stringify({ ...figures, ratio: Number(ratio) }));
      console.log(
        `${figures.hosts} hosts, ${servingHosts} of them serving, replicas ${figures.replicas}, ` +
          `${rate}/s: ${figures.coreMicrosPerRanking} core us a ranking ` +
          `(${ratio} x), ${figures.coreMicrosPerExample} an example, ` +
          `${figures.bytesBetweenHostsPerRanking} bytes between hosts`,
      );
    });
  }
}

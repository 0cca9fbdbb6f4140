/**
 * Measures what distribution costs: the core time of all processes, Redis included, for each
 * ranking and each example, and the bytes between hosts, of one process and of meshes of two and
 * four hosts. The same clients make the same requests of each, one after another in one run.
 *
 *     deno task bench:mesh --json [--seconds 20] [--clients 4] [--hosts 1,2,4]
 *
 * Core time is read from /proc, so other work on the machine does not count. `coreMicrosPerExample`
 * is measured with rankings and events together, less the core time of the rankings.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import metadata from "../../../deno.json" with { type: "json" };
import {
  isInstalled,
  LocalServer,
  type ServerProgram,
} from "../../../mesh/adapters/redis/local_server.ts";
import { freePorts } from "../../../cli/demo_mesh/free_ports.ts";
import { present } from "../../../structures/invariant.ts";
import { coreTimeOf } from "../ranking/processes.ts";

const CANDIDATES = 100;
const ITEMS = 2_000;
const USERS = 1_000;
const main = new URL("../../../main.ts", import.meta.url).pathname;
const tuned = metadata.tasks.tuned.split(" ").slice(1);

/** Roles by host; an empty map is one process with embedded stores. */
const layouts: Readonly<Record<number, Readonly<Record<string, readonly string[]>>>> = {
  1: {},
  2: { edge: ["serving"], learn: ["shards", "trainer", "joiner", "sync"] },
  4: {
    "edge-1": ["serving"],
    "edge-2": ["serving"],
    learn: ["trainer", "joiner", "sync"],
    tables: ["shards"],
  },
};

/** Core time and bytes of one arrangement. */
interface Figures {
  readonly bench: "mesh";
  readonly hosts: number;
  readonly coreMicrosPerRanking: number;
  readonly coreMicrosPerExample: number;
  readonly bytesBetweenHostsPerRanking: number;
  /** Core time of each process for a ranking; roles by plus signs. */
  readonly byProcess: Readonly<Record<string, number>>;
  /** Bytes and frames that each host sends for a ranking. */
  readonly sentPerRanking: Readonly<
    Record<string, { readonly bytes: number; readonly frames: number }>
  >;
  readonly rankingsPerSecond: number;
  /** Core time of all processes without requests; it is part of that for a ranking. */
  readonly idleCoreMillisPerSecond: number;
}

interface Running {
  /** Process ids by name. */
  readonly processes: ReadonlyMap<string, number>;
  /** HTTP ports of serving hosts. */
  readonly gateways: readonly number[];
  /** HTTP ports of all hosts, by name. */
  readonly ports: ReadonlyMap<string, number>;
  end(): Promise<void>;
}

function configuration(hosts: number, folder: string, redis: string, ports: readonly number[]) {
  const layout = Object.entries(layouts[hosts]);
  const [http, links] = [ports, ports.slice(layout.length)];
  const server = layout.length === 0 ? "" : `, redis: { url: "${redis}" }`;
  const mesh = layout.length === 0 ? "" : `mesh:
  id: bench
  hosts:
${
    layout.map(([name, roles], i) =>
      `    ${name}: { address: "127.0.0.1:${links[i]}", roles: [${roles.join(", ")}], ` +
      `http: "127.0.0.1:${http[i]}" }`
    ).join("\n")
  }`;
  return `
features:
  slots:
    user: { kind: id, source: user }
    item: { kind: id, source: item }
model: { kind: deepFm, embeddingDim: 16, hidden: [64, 32], tasks: [click] }
joiner: { window: 1h, tasks: { click: [{ action: click, label: positive, final: true }] } }
shards: { count: 4 }
placement: { kind: singleThread }
gateway: { host: 127.0.0.1, port: ${http[0]}, deadline: 10s }
storage: { kind: directory, path: ${folder}/data${server} }
${mesh}
`;
}

async function start(hosts: number, folder: string, redis: LocalServer): Promise<Running> {
  const names = hosts === 1 ? ["process"] : Object.keys(layouts[hosts]);
  const http = freePorts(2 * names.length);
  const file = `${folder}/cairn.yaml`;
  Deno.writeTextFileSync(file, configuration(hosts, folder, redis.url, http));
  const children = names.map((name) => {
    const command = hosts === 1 ? ["serve"] : ["node", "--host", name];
    return new Deno.Command(Deno.execPath(), {
      args: [...tuned, main, ...command, "--config", file],
      stdin: "null",
      stdout: "null",
      stderr: Deno.env.has("CAIRN_SHOW") ? "inherit" : "null",
    }).spawn();
  });
  const ports = new Map(names.map((name, i) => [name, http[i]]));
  const isServing = (name: string) => hosts === 1 || layouts[hosts][name].includes("serving");
  const gateways = names.filter(isServing).map((name) => present(ports.get(name), "it has one"));
  for (const port of gateways) await untilReady(port);
  const own = names.map((name, i) => [name, children[i].pid] as const);
  const server = hosts === 1 ? [] : [["redis", present(redis.pid, "it runs")] as const];
  return {
    processes: new Map([...own, ...server]),
    gateways,
    ports,
    async end() {
      for (const child of children) {
        child.kill("SIGKILL");
        await child.status;
      }
    },
  };
}

async function untilReady(port: number): Promise<void> {
  const endsMs = performance.now() + 120_000;
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${port}/health/ready`).then(async (response) => {
      await response.body?.cancel();
      return response.ok;
    }, () => false);
    if (ready) return;
    assert.ok(performance.now() < endsMs, `the host on port ${port} is not ready`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
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

/** Rankings for some time, each with an event where `acts`; how many there were. */
async function load(
  gateways: readonly number[],
  { clients, seconds, acts }: { clients: number; seconds: number; acts: boolean },
): Promise<number> {
  const endsMs = performance.now() + 1_000 * seconds;
  let rankings = 0;
  const client = async (own: number) => {
    while (performance.now() < endsMs) {
      const number = visit++;
      const port = gateways[own % gateways.length];
      const candidates = Array.from(
        { length: CANDIDATES },
        (_, i) => ({ id: `item-${(number * 37 + i * 13) % ITEMS}` }),
      );
      const user = `user-${number % USERS}`;
      const { rankingId, items } = await post(port, "/v1/rank", { user, candidates });
      rankings++;
      if (!acts) continue;
      const event = { eventId: `e-${number}`, rankingId, item: items[0].id, action: "click" };
      await post(port, "/v1/events", event);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, i) => client(i)));
  return rankings;
}

function micros({ processes }: Running): Map<string, number> {
  return new Map([...processes].map(([name, pid]) => [name, coreTimeOf([pid]).micros]));
}

/** Bytes and frames that each host has sent to others. */
async function sent({ ports, processes }: Running) {
  const totals = new Map<string, { bytes: number; frames: number }>();
  if (!processes.has("redis")) return totals;
  for (const [name, port] of ports) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const sum = (metric: string) =>
      text.split("\n").filter((line) => line.startsWith(`${metric}{`))
        .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
    totals.set(name, {
      bytes: sum("cairn_link_sent_bytes_total"),
      frames: sum("cairn_link_sent_frames_total"),
    });
  }
  return totals;
}

async function measure(
  hosts: number,
  program: ServerProgram,
  { seconds, clients }: { readonly seconds: number; readonly clients: number },
): Promise<Figures> {
  const folder = Deno.makeTempDirSync({ prefix: "cairn-bench-" });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => Deno.removeSync(folder, { recursive: true }));
  const redis = await LocalServer.start({ program, directory: folder });
  cleanup.defer(() => redis.kill());
  const running = await start(hosts, folder, redis);
  cleanup.defer(() => running.end());
  // All users and items have rows afterwards, and the code is compiled.
  await load(running.gateways, { clients, seconds: Math.max(5, seconds / 2), acts: true });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const idle = micros(running);
  await new Promise((resolve) => setTimeout(resolve, 3_000));

  const before = micros(running);
  const sentBefore = await sent(running);
  const rankings = await load(running.gateways, { clients, seconds, acts: false });
  const after = micros(running);
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // counters are set each second
  const sentAfter = await sent(running);
  const perRanking = (name: string) =>
    ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / rankings;
  const names = [...running.processes.keys()];
  const idleMicros = names.reduce(
    (sum, name) => sum + (before.get(name) ?? 0) - (idle.get(name) ?? 0),
    0,
  );
  const coreMicrosPerRanking = names.reduce((sum, name) => sum + perRanking(name), 0);

  const beforeLearning = micros(running);
  const learned = await load(running.gateways, { clients, seconds, acts: true });
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // the last examples are learned
  const afterLearning = micros(running);
  const total = names.reduce(
    (sum, name) => sum + (afterLearning.get(name) ?? 0) - (beforeLearning.get(name) ?? 0),
    0,
  );
  const sentPerRanking = Object.fromEntries([...sentAfter].map(([name, { bytes, frames }]) => {
    const from = sentBefore.get(name) ?? { bytes: 0, frames: 0 };
    return [name, {
      bytes: Math.round((bytes - from.bytes) / rankings),
      frames: Number(((frames - from.frames) / rankings).toFixed(2)),
    }];
  }));
  return {
    bench: "mesh",
    hosts,
    coreMicrosPerRanking: Math.round(coreMicrosPerRanking),
    coreMicrosPerExample: Math.round(total / learned - coreMicrosPerRanking),
    bytesBetweenHostsPerRanking: Object.values(sentPerRanking)
      .reduce((sum, { bytes }) => sum + bytes, 0),
    byProcess: Object.fromEntries(names.map((name) => [name, Math.round(perRanking(name))])),
    sentPerRanking,
    rankingsPerSecond: Math.round(rankings / seconds),
    idleCoreMillisPerSecond: Math.round(idleMicros / 3_000),
  };
}

if (import.meta.main) {
  const { values: flags } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "20" },
      clients: { type: "string", default: "4" },
      hosts: { type: "string", default: "1,2,4" },
    },
  });
  const programs: readonly ServerProgram[] = ["redis-server", "valkey-server"];
  const program = programs.find(isInstalled);
  if (program === undefined) {
    console.error("Install a server: apt-get install redis-server");
    Deno.exit(1);
  }
  const options = { seconds: Number(flags.seconds), clients: Number(flags.clients) };
  let alone: number | undefined;
  for (const hosts of flags.hosts.split(",").map(Number)) {
    const figures = await measure(hosts, program, options);
    alone ??= figures.coreMicrosPerRanking;
    const ratio = (figures.coreMicrosPerRanking / alone).toFixed(2);
    if (flags.json) console.log(JSON.stringify({ ...figures, ratio: Number(ratio) }));
    else {
      console.log(
        `${hosts} hosts: ${figures.coreMicrosPerRanking} core us a ranking (${ratio} x), ` +
          `${figures.coreMicrosPerExample} an example, ` +
          `${figures.bytesBetweenHostsPerRanking} bytes between hosts`,
      );
    }
  }
}

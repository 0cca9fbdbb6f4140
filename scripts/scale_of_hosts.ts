/**
 * Measures, in the simulation, the messages and bytes that a host of each role handles for the same
 * load on more and more hosts, and writes them as a table and a chart.
 *
 *     deno run -A scripts/scale_of_hosts.ts [--json] [--set key=value …] [hosts…]
 *
 * Counts are exact and the same on every machine: time is virtual.
 */
import { parseArgs } from "node:util";
import { configurationOf } from "../simulation/plan/run_plan.ts";
import type { Checker } from "../simulation/checkers/checker.ts";
import { MeshWorld } from "../simulation/mesh/mesh_world.ts";
import { type HostRoles, meshShop } from "../simulation/scenarios/mesh_shop.ts";
import { visitShop } from "../simulation/scenarios/shop.ts";
import { present } from "../structures/invariant.ts";
import { rolesChart } from "./scale_chart.ts";

const SHARDS = 16;
const VISITORS = 16;
/** Settings by which the parts of a mesh are many, and hosts share them out. */
const divided: Readonly<Record<string, unknown>> = {
  "trainer.count": 16,
  "joiner.partitions": 16,
  "kept.shards": 16,
  "embeddings.serving.replicas": 2,
};
/** Time until the hosts have found each other and have their parts, and for the measurement, ms. */
const START_MS_MAX = 120_000;
const SETTLE_MS = 3_000;
const MEASURED_MS = 10_000;

const roleOfKind: Readonly<Record<string, string>> = {
  ranker: "serving",
  scorer: "serving",
  serving_replica: "serving",
  embedding_shard: "shards",
  shard_copy: "shards",
  trainer: "trainer",
  joiner: "joiner",
  feature_keeper: "joiner",
  row_feed: "serving",
  parameter_sync: "trainer",
  snapshotter: "trainer",
};
export const roles = ["serving", "shards", "trainer", "joiner"] as const;

/** Hosts with a role, at each size. */
const sizes: Readonly<Record<number, Partial<Record<typeof roles[number], number>>>> = {
  1: {},
  4: { serving: 1, shards: 1, trainer: 1, joiner: 1 },
  16: { serving: 6, shards: 4, trainer: 4, joiner: 2 },
  64: { serving: 24, shards: 16, trainer: 16, joiner: 8 },
};

/** Figures of one role at one size, for the host that has the most; a second of virtual time. */
export interface RoleFigures {
  readonly hosts: number;
  readonly messages: number;
  /** Bytes sent to and received from other hosts; undefined where hosts have several roles. */
  readonly bytes: number | undefined;
}

export interface SizeFigures {
  readonly hosts: number;
  readonly rankings: number;
  readonly redisCommands: number;
  readonly roles: Readonly<Record<string, RoleFigures>>;
}

function hostsOf(size: number): HostRoles {
  if (size === 1) return { all: [...roles] };
  const counts = present(sizes[size], "the size is one that is measured");
  const hosts: Record<string, readonly string[]> = {};
  for (const role of roles) {
    for (let i = 0; i < (counts[role] ?? 0); i++) hosts[`${role}-${i}`] = [role];
  }
  return hosts;
}

/** Runs the shop on so many hosts, with these settings by key. */
export async function measure(
  size: number,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<SizeFigures> {
  const hosts = hostsOf(size);
  const configuration = configurationOf(meshShop(hosts, SHARDS), {
    ...divided,
    "storage.snapshots.interval": "1h",
    "mesh.heartbeat": "1s",
    "mesh.silence": "5s",
    "mesh.lease": "10s",
    ...settings,
  });
  const messages = new Map<string, number>();
  let rankings = 0;
  const counter: Checker = {
    name: "counter",
    handles(actor, _message, host) {
      const role = roleOfKind[actor.slice(0, actor.indexOf("/"))];
      if (role !== undefined) add(messages, `${role} ${host}`);
    },
    replied: ({ path, status }) => void (rankings += path === "/v1/rank" && status === 200 ? 1 : 0),
  };
  const world = new MeshWorld({
    seed: 1,
    configuration,
    reconfigure: () => configuration,
    traceEventsMax: 0,
    linkMs: 0.2,
    syncMs: 2,
    turnMessagesMax: 1_024,
    checkers: () => [() => counter],
  });
  world.start();
  for (let ready = false; !ready;) {
    await world.clock.advance(500);
    if (world.clock.monotonicMs() > START_MS_MAX) throw new Error(world.incomplete ?? "not placed");
    if (world.incomplete !== undefined) continue;
    const { placements } = await world.clock.settle(world.coordination().read());
    ready = [...placements.values()].every(({ state }) => state === "active");
  }
  for (let i = 0; i < VISITORS; i++) visitShop(world, `visitor-${i}`).catch(() => {});
  await world.clock.advance(SETTLE_MS);
  const before = {
    messages: new Map(messages),
    bytes: bytesOf(world),
    commands: world.redis.commands,
    rankings,
  };
  await world.clock.advance(MEASURED_MS);
  const bytes = bytesOf(world);
  const seconds = MEASURED_MS / 1_000;
  const figures = roles.map((role) => {
    const named = Object.entries(hosts).filter(([, own]) => own.includes(role));
    const isAlone = named.every(([, own]) => own.length === 1);
    const most = (of: (host: string) => number) =>
      Math.round(Math.max(...named.map(([host]) => of(host))) / seconds);
    const key = (host: string) => `${role} ${host}`;
    return [role, {
      hosts: named.length,
      messages: most((host) =>
        (messages.get(key(host)) ?? 0) - (before.messages.get(key(host)) ?? 0)
      ),
      bytes: isAlone
        ? most((host) => (bytes.get(host) ?? 0) - (before.bytes.get(host) ?? 0))
        : undefined,
    }] as const;
  });
  world.kill();
  return {
    hosts: size,
    rankings: Math.round((rankings - before.rankings) / seconds),
    redisCommands: Math.round((world.redis.commands - before.commands) / seconds),
    roles: Object.fromEntries(figures),
  };
}

function bytesOf(world: MeshWorld): Map<string, number> {
  return new Map(world.hosts.map((host) => {
    const { sent, received } = world.network.trafficOf(host);
    return [host, sent.bytes + received.bytes];
  }));
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" }, set: { type: "string", multiple: true, default: [] } },
  });
  const settings = Object.fromEntries(values.set.map((each) => {
    const [key, value] = each.split("=");
    return [key, JSON.parse(value)];
  }));
  const asked = positionals.map(Number);
  const measured: SizeFigures[] = [];
  for (const size of asked.length > 0 ? asked : Object.keys(sizes).map(Number)) {
    measured.push(await measure(size, settings));
    console.log(JSON.stringify(measured.at(-1)));
  }
  if (!values.json) {
    const file = new URL("../docs/performance/hosts.svg", import.meta.url);
    await Deno.writeTextFile(file, rolesChart(measured));
  }
}

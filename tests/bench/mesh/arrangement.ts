/**
 * Arrangements of hosts that {@link distribution.ts} compares: the processes of each, and the core
 * time and the bytes that they have used so far.
 */
import assert from "node:assert/strict";
import metadata from "../../../deno.json" with { type: "json" };
import type { LocalServer } from "../../../mesh/adapters/redis/local_server.ts";
import { freePorts } from "../../free_ports.ts";
import { present } from "../../../structures/invariant.ts";
import { coreTimeOf } from "../ranking/processes.ts";

const main = new URL("../../../main.ts", import.meta.url).pathname;
const tuned = metadata.tasks.tuned.split(" ").slice(1);

/** Roles by host. */
type Layout = Readonly<Record<string, readonly string[]>>;

/** Layouts by their number of hosts; one without hosts is one process with embedded stores. */
const layouts: Readonly<Record<number, readonly Layout[]>> = {
  1: [{}],
  2: [{ edge: ["serving"], learn: ["shards", "trainer", "joiner"] }],
  4: [
    { edge: ["serving"], join: ["joiner"], learn: ["trainer"], tables: ["shards"] },
    {
      "edge-1": ["serving"],
      "edge-2": ["serving"],
      learn: ["trainer", "joiner"],
      tables: ["shards"],
    },
  ],
  6: [{
    "edge-1": ["serving"],
    "edge-2": ["serving"],
    "edge-3": ["serving"],
    "edge-4": ["serving"],
    learn: ["trainer", "joiner"],
    tables: ["shards"],
  }],
};

/** A layout, and serving hosts that hold each shard's rows, as `embeddings.serving.replicas`. */
export interface Arrangement {
  readonly layout: Layout;
  readonly replicas: string;
}

/** All arrangements of a number of hosts. */
export function arrangementsOf(hosts: number, replicas: readonly string[]): Arrangement[] {
  return layouts[hosts].flatMap((layout) =>
    (hosts === 1 ? ["all"] : replicas).map((replicas) => ({ layout, replicas }))
  );
}

/** An arrangement whose gateways are ready. */
export interface Running {
  /** Process ids by name. */
  readonly processes: ReadonlyMap<string, number>;
  /** HTTP ports of serving hosts. */
  readonly gateways: readonly number[];
  /** HTTP ports of all hosts, by name. */
  readonly ports: ReadonlyMap<string, number>;
  end(): Promise<void>;
}

function configuration(
  { layout, replicas }: Arrangement,
  folder: string,
  redis: string,
  ports: readonly number[],
) {
  const hosts = Object.entries(layout);
  const [http, links] = [ports, ports.slice(hosts.length)];
  const server = hosts.length === 0 ? "" : `, redis: { url: "${redis}" }`;
  const mesh = hosts.length === 0 ? "" : `mesh:
  id: bench
  hosts:
${
    hosts.map(([name, roles], i) =>
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
embeddings: { serving: { replicas: ${replicas} } }
joiner: { window: 1h, tasks: { click: [{ action: click, label: positive, final: true }] } }
shards: { count: 4 }
placement: { kind: singleThread }
gateway: { host: 127.0.0.1, port: ${http[0]}, deadline: 10s }
storage: { kind: directory, path: ${folder}/data${server} }
${mesh}
`;
}

/** Starts an arrangement, and waits until its gateways are ready. */
export async function start(
  arrangement: Arrangement,
  folder: string,
  redis: LocalServer,
): Promise<Running> {
  const { layout } = arrangement;
  const hosts = Object.keys(layout);
  const isMesh = hosts.length > 0;
  const names = isMesh ? hosts : ["process"];
  const http = freePorts(2 * names.length);
  const file = `${folder}/cairn.yaml`;
  Deno.writeTextFileSync(file, configuration(arrangement, folder, redis.url, http));
  const children = names.map((name) => {
    const command = isMesh ? ["node", "--host", name] : ["serve"];
    return new Deno.Command(Deno.execPath(), {
      args: [...tuned, main, ...command, "--config", file],
      stdin: "null",
      stdout: "null",
      stderr: Deno.env.has("CAIRN_SHOW") ? "inherit" : "null",
    }).spawn();
  });
  const ports = new Map(names.map((name, i) => [name, http[i]]));
  const isServing = (name: string) => !isMesh || layout[name].includes("serving");
  const gateways = names.filter(isServing).map((name) => present(ports.get(name), "it has one"));
  for (const port of gateways) await untilReady(port);
  const own = names.map((name, i) => [name, children[i].pid] as const);
  const server = isMesh ? [["redis", present(redis.pid, "it runs")] as const] : [];
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

/** Core time of each process since its start, microseconds. */
export function micros({ processes }: Running): Map<string, number> {
  return new Map([...processes].map(([name, pid]) => [name, coreTimeOf([pid]).micros]));
}

/** Bytes and frames that each host has sent to others. */
export async function sent({ ports, processes }: Running) {
  const totals = new Map<string, { bytes: number; frames: number }>();
  if (!processes.has("redis")) return totals;
  for (const [name, port] of ports) {
    totals.set(name, {
      bytes: await metricOf(port, "cairn_link_sent_bytes_total"),
      frames: await metricOf(port, "cairn_link_sent_frames_total"),
    });
  }
  return totals;
}

/** Rows that each host serves. */
export async function rowsServed({ ports }: Running): Promise<Map<string, number>> {
  const rows = new Map<string, number>();
  for (const [name, port] of ports) rows.set(name, await metricOf(port, "cairn_replica_rows"));
  return rows;
}

/** The sum of a metric over its labels. */
async function metricOf(port: number, metric: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return text.split("\n").filter((line) => line.startsWith(`${metric}{`))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
}

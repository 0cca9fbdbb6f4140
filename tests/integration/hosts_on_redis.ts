/**
 * A mesh of real processes over a real Redis or Valkey server, with the commands of its operator.
 */
import assert from "node:assert/strict";
import { freePorts } from "../free_ports.ts";
import { parseConfiguration } from "../../configuration/configuration.ts";
import { LocalServer, type LocalServerOptions } from "../../mesh/adapters/redis/local_server.ts";
import type { Coordination, MeshView } from "../../mesh/ports/coordination.ts";
import { openCoordination } from "../../server/machine/redis_coordination.ts";
import { runCaptured, type Said } from "../cli/captured_command.ts";
import { clientOn, HostProcesses } from "./host_process.ts";
import { type Client, type PlacementName, smallConfiguration } from "./small_mesh.ts";

export interface HostsOnRedisOptions extends Omit<LocalServerOptions, "directory"> {
  /** Roles by host, as in the file; each host with the role `serving` has a port for HTTP. */
  readonly roles: Readonly<Record<string, string>>;
  /** A listed host that never starts, and its roles; default: none. */
  readonly absent?: readonly [host: string, roles: string];
  readonly placement: PlacementName;
  readonly trainers?: number;
  /** Interval of snapshots. */
  readonly snapshots: string;
  /** Further lines of the section `mesh`. */
  readonly mesh: readonly string[];
  /** The file without the section `mesh`, from the small configuration. */
  readonly change?: (small: string) => string;
}

/** The processes, and all that a test reaches them by. */
export interface HostsOnRedis {
  /** The hosts' data and the server's files lie below it. */
  readonly folder: string;
  readonly redis: LocalServer;
  readonly processes: HostProcesses;
  /** Clients of the hosts that serve, in the order of the roles. */
  readonly clients: readonly Client[];
  /** HTTP ports of these hosts. */
  readonly ports: readonly number[];
  readonly store: Coordination;
  /** Runs a command with the configuration of the mesh. */
  cairn(...args: readonly string[]): Promise<Said>;
}

/** Runs a test with a mesh of its own; prints the output of the hosts where it fails. */
export async function withHostsOnRedis(
  options: HostsOnRedisOptions,
  run: (hosts: HostsOnRedis) => Promise<void>,
): Promise<void> {
  const { roles, program, settings } = options;
  await using opened = new AsyncDisposableStack();
  const folder = Deno.makeTempDirSync();
  opened.defer(() => Deno.removeSync(folder, { recursive: true }));
  const directory = `${folder}/redis`;
  Deno.mkdirSync(directory);
  const redis = await LocalServer.start({ program, directory, ...(settings && { settings }) });
  opened.defer(() => redis.kill());
  const serving = Object.keys(roles).filter((host) => roles[host].includes("serving"));
  const free = freePorts(serving.length + Object.keys(roles).length);
  const http = Object.fromEntries(serving.map((host, i) => [host, free[i]]));
  const file = `${folder}/mesh.yaml`;
  const yaml = meshFile(options, redis.url, http, free.slice(serving.length));
  Deno.writeTextFileSync(file, yaml);
  const processes = new HostProcesses(file);
  opened.defer(() => processes.end());
  try {
    await processes.start(...Object.keys(roles));
    const { coordination, close } = await openCoordination(parseConfiguration(yaml, file));
    opened.defer(close);
    const ports = Object.values(http);
    await run({
      folder,
      redis,
      processes,
      clients: ports.map((port) => clientOn(port)),
      ports,
      store: coordination,
      cairn: (...args) => runCaptured(...args, "--config", file),
    });
  } catch (error) {
    for (const host of Object.keys(roles)) {
      console.error(`---- ${host}\n${processes.of(host).said.slice(-6_000)}`);
    }
    // A part that has no host, or moves, tells why events do not come through.
    const status = await runCaptured("status", "--json", "--config", file).catch((away) => away);
    console.error(`---- status\n${status.out ?? status}`);
    throw error;
  }
}

/** The host of each shard, once all are active and the condition holds. */
export async function ownersWhen(
  store: Coordination,
  condition: (owners: readonly string[], view: MeshView) => boolean,
  msMax = 60_000,
): Promise<string[]> {
  const deadlineMs = performance.now() + msMax;
  for (;;) {
    const view = await store.read();
    const placements = [...view.placements].filter(([key]) => key.startsWith("shard/"))
      .map(([, placement]) => placement);
    const owners = placements.map((placement) =>
      placement.state === "unassigned" ? "none" : placement.owner.host
    );
    if (placements.every(({ state }) => state === "active") && condition(owners, view)) {
      return owners;
    }
    assert.ok(performance.now() < deadlineMs, JSON.stringify(placements));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function meshFile(
  { roles, absent, placement, trainers, snapshots, mesh, change = (small) => small }:
    HostsOnRedisOptions,
  url: string,
  http: Readonly<Record<string, number>>,
  links: readonly number[],
): string {
  const storage = "{ kind: directory, path: data, " +
    `snapshots: { interval: ${snapshots}, spread: 0ms }, redis: { url: "${url}" } }`;
  const hosts = Object.entries(roles).map(([host, own], i) => {
    const page = host in http ? `, http: "127.0.0.1:${http[host]}"` : "";
    return `    ${host}: { address: "127.0.0.1:${links[i]}", roles: [${own}]${page} }`;
  });
  return [
    change(smallConfiguration(placement, storage, trainers)).trimEnd(),
    "mesh:",
    ...["id: shop", "secret: a-secret-for-the-test", ...mesh, "hosts:"].map((line) => `  ${line}`),
    ...hosts,
    ...(absent ? [`    ${absent[0]}: { address: "127.0.0.1:1", roles: [${absent[1]}] }`] : []),
    "",
  ].join("\n");
}

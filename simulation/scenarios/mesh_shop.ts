/**
 * The shop on several hosts, for the scenarios of a mesh.
 */
import type { CairnConfiguration } from "../../configuration/configuration.ts";
import { type Knob, recommending } from "../plan/knobs.ts";
import { servingKnobs } from "../plan/serving_knobs.ts";
import { shopConfiguration, visitShop } from "./shop.ts";

/** Roles of each host, by its name. */
export type HostRoles = Readonly<Record<string, readonly string[]>>;

/** Length of a lease in {@link meshShop}, ms. */
export const LEASE_MS = 3_000;

/** The shop on these hosts, with a Redis server. */
export function meshShop(hosts: HostRoles, shards = 4): string {
  const lines = Object.entries(hosts).map(([name, roles], i) =>
    `    ${name}: { address: "${name}:7400", roles: [${roles.join(", ")}], http: "${name}:${
      8080 + i
    }" }`
  );
  return shopConfiguration
    .replace("shards: { count: 2 }", `shards: { count: ${shards} }`)
    .replace(
      "storage: { kind: directory, path: simulated }",
      `storage:
  kind: directory
  path: simulated
  redis: { url: "redis://simulated:6379", deadline: 1s }
placement: { kind: singleThread }
mesh:
  id: shop
  secret: the secret of the simulated shop
  lease: ${LEASE_MS}ms
  silence: 1500ms
  heartbeat: 300ms
  hosts:
${lines.join("\n")}`,
    );
}

/** Two hosts: one serves and joins, both keep shards. */
export const twoHosts: HostRoles = {
  edge: ["serving", "joiner", "trainer", "shards"],
  table: ["shards"],
};

/** Six hosts: two serve, two learn, two keep the training table. */
export const sixHosts: HostRoles = {
  "edge-1": ["serving"],
  "edge-2": ["serving"],
  "learn-1": ["joiner", "trainer"],
  "learn-2": ["joiner", "trainer"],
  "table-1": ["shards"],
  "table-2": ["shards"],
};

/** Six hosts of which four serve. */
export const servingHosts: HostRoles = {
  "edge-1": ["serving"],
  "edge-2": ["serving"],
  "edge-3": ["serving"],
  "edge-4": ["serving"],
  "learn": ["joiner", "trainer"],
  "table": ["shards"],
};

/** Settings that the runs of a mesh draw. */
const meshKnobs: readonly Knob[] = [
  { path: "trainer.count", values: [1, 2] },
  { path: "joiner.partitions", values: [1, 2, 4] },
  { path: "trainer.batchRows", values: [2, 8, 32] },
  { path: "sync.rowsInterval", values: ["50ms", "300ms"] },
  { path: "storage.snapshots.interval", values: ["2s", "5s"] },
  {
    path: "placement",
    values: [{ kind: "singleThread" }, { kind: "singleThread" }, {
      kind: "workers",
      shardThreads: 1,
    }],
  },
  { path: "ranker.scenario", values: [undefined, "fresh"] },
  { path: "embeddings.expiry", values: [undefined, undefined, "4s"] },
  { path: "embeddings.evictionInterval", values: ["100ms", "1s"] },
  { sets: [undefined, undefined, recommending] },
  ...servingKnobs,
  { path: "joiner.clockSkewMax", values: [undefined, undefined, "0ms"] },
  { path: "embeddings.serving.replicas", values: [undefined, undefined, undefined, 1, 2] },
];

/** A shop on six hosts with three visitors, without faults of its own. */
export const mesh = {
  configuration: meshShop(sixHosts),
  knobs: meshKnobs,
  clients: 3,
  workload: visitShop,
  forMs: 15_000,
  healMs: 60_000,
} as const;

/** Time in which the hosts find each other before the first fault, ms. */
export const START_MS = 4_000;

/** Moments between which faults strike, evenly spread. */
export function moments(forMs: number, count: number): number[] {
  return Array.from(
    { length: count },
    (_, i) => Math.round(START_MS + i * (forMs - START_MS) / count),
  );
}

/** Names of all hosts. */
export function hostsOf({ mesh: section }: CairnConfiguration): string[] {
  return section?.hosts.map(({ name }) => name) ?? [];
}

/** Names of the hosts with a role. */
export function hostsFor(role: string, { mesh: section }: CairnConfiguration): string[] {
  const hosts = section?.hosts ?? [];
  return hosts.flatMap(({ name, roles }) => roles.some((each) => each === role) ? [name] : []);
}

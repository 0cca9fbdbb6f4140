/**
 * The shop on several hosts, for the scenarios of a mesh.
 */
import { shopConfiguration } from "./shop.ts";

/** Roles of each host, by its name. */
export type HostRoles = Readonly<Record<string, readonly string[]>>;

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
  lease: 3s
  silence: 1500ms
  heartbeat: 300ms
  hosts:
${lines.join("\n")}`,
    );
}

/** Two hosts: one serves and joins, both keep shards. */
export const twoHosts: HostRoles = {
  edge: ["serving", "joiner", "trainer", "sync", "shards"],
  table: ["shards"],
};

/** Six hosts: two serve, two learn, two keep the training table. */
export const sixHosts: HostRoles = {
  "edge-1": ["serving"],
  "edge-2": ["serving"],
  "learn-1": ["joiner", "trainer", "sync"],
  "learn-2": ["joiner", "trainer"],
  "table-1": ["shards"],
  "table-2": ["shards"],
};

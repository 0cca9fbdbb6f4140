/**
 * Checks of the hosts of a mesh: each part has a host, and the hosts can reach the stores that they
 * need.
 */
import { formatAddress, isLoopback } from "../addresses.ts";
import type { Finding } from "../problems.ts";
import { type Role, roles } from "../sections/hosts.ts";
import type { Sections } from "./check.ts";

/** Roles that read or write the logs. */
const logRoles: readonly Role[] = ["serving", "trainer", "joiner"];

/** Roles without a host, with too many, or with more hosts than parts. */
export function* hostRoles({ mesh, shards, trainer, storage }: Sections): Iterable<Finding> {
  if (mesh === undefined) return;
  const isPlaced = storage?.kind === "directory" && storage.redis !== undefined;
  // With a store of placements, a further host takes over from one that is lost.
  const singleRoles: readonly Role[] = isPlaced ? [] : ["joiner"];
  const path = ["mesh", "hosts"];
  const hostsWith = (role: Role) =>
    Object.entries(mesh.hosts).filter(([, host]) => host.roles.includes(role)).map(([name]) =>
      name
    );
  for (const role of roles) {
    const names = hostsWith(role);
    if (names.length === 0) {
      yield { path, message: `no host has the role ${role}; add it to the roles of one` };
    }
    if (names.length > 1 && singleRoles.includes(role)) {
      yield {
        path,
        message: `${names.join(" and ")} have the role ${role}, of which a mesh has one; ` +
          "leave it to one host",
      };
    }
  }
  if (isPlaced) return;
  const parts = [
    ["shards", shards?.count, "shards.count"],
    ["trainer", trainer?.count, "trainer.count"],
  ] as const;
  for (const [role, count, key] of parts) {
    const names = hostsWith(role);
    if (count === undefined || names.length <= count) continue;
    yield {
      path,
      message: `${names.length} hosts have the role ${role} and ${key} is ${count}; ` +
        `raise ${key}, or leave the role to ${count}`,
    };
  }
}

const UNSPECIFIED: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Addresses that hosts share, and a secret that is missing or not enough. */
export function* hostAddresses({ mesh }: Sections): Iterable<Finding> {
  if (mesh === undefined) return;
  const seen = new Map<string, string>();
  for (const [name, host] of Object.entries(mesh.hosts)) {
    for (const key of ["address", "http"] as const) {
      const address = host[key];
      if (address === undefined) continue;
      const text = formatAddress(address);
      const path = `mesh.hosts.${name}.${key}`;
      // The address of all interfaces is another one on each machine.
      const machine = UNSPECIFIED.has(address.hostname) ? host.address.hostname : address.hostname;
      const listened = formatAddress({ ...address, hostname: machine });
      const other = seen.get(listened);
      seen.set(listened, path);
      if (other === undefined || address.port === 0) continue;
      yield {
        path: ["mesh", "hosts", name, key],
        message: `found ${text}, which ${other} is too; give each its own`,
      };
    }
    if (host.address.port !== 0) continue;
    yield {
      path: ["mesh", "hosts", name, "address"],
      message: "found port 0; the other hosts must know the port",
    };
  }
  const open = Object.entries(mesh.hosts)
    .map(([name, { address, listen = address }]) => ({ name, listen }))
    .find(({ listen }) => !isLoopback(listen));
  if (mesh.secret === undefined && open !== undefined) {
    yield {
      path: ["mesh"],
      message: `no secret, and ${formatAddress(open.listen)} of host ${open.name} is reachable ` +
        "from other machines; add `secret: ${CAIRN_MESH_SECRET}`",
    };
  }
}

/** A silence that a lost heartbeat or two would reach. */
export function* linkTimes({ mesh }: Sections): Iterable<Finding> {
  if (mesh === undefined || mesh.silence >= 3 * mesh.heartbeat) return;
  yield {
    path: ["mesh", "silence"],
    message: `found ${mesh.silence} ms, and heartbeat is ${mesh.heartbeat} ms; ` +
      `raise silence to ${3 * mesh.heartbeat}ms or more`,
  };
}

/** Leases that end while the store is slow but answers in time. */
export function* leaseTime({ mesh, storage }: Sections): Iterable<Finding> {
  if (mesh === undefined || storage?.kind !== "directory" || storage.redis === undefined) return;
  const { deadline } = storage.redis;
  // A host renews at least every half of its lease, and the answer may take the whole deadline.
  if (mesh.lease >= 2 * deadline) return;
  yield {
    path: ["mesh", "lease"],
    message: `found ${mesh.lease} ms, and storage.redis.deadline is ${deadline} ms: hosts would ` +
      `lose their shards while Redis is slow; raise lease to ${2 * deadline}ms or more`,
  };
}

/** Storage that not all hosts with a need for it reach. */
export function* hostStorage({ mesh, storage }: Sections): Iterable<Finding> {
  if (mesh === undefined || storage === undefined) return;
  if (storage.kind === "memory") {
    yield {
      path: ["storage", "kind"],
      message: "found memory, which no other process reaches; hosts of a mesh share their storage",
    };
  }
  if (storage.kind !== "directory" || storage.redis !== undefined) return;
  const names = Object.entries(mesh.hosts)
    .filter(([, host]) => host.roles.some((role) => logRoles.includes(role)))
    .map(([name]) => name);
  if (names.length <= 1) return;
  yield {
    path: ["storage", "kind"],
    message: `found directory, whose logs one process reads and writes, but ${names.join(", ")} ` +
      `have roles of ${logRoles.join(", ")}; give these roles to one host, or set storage.redis`,
  };
}

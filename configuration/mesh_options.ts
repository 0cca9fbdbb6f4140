/**
 * Builds the options of a mesh of several processes from the checked file.
 */
import type { MeshOptions } from "./configuration.ts";
import type { CairnFile } from "./schema.ts";
import type { MeshSection } from "./sections/hosts.ts";

export function meshOptionsOf(
  mesh: MeshSection,
  gateway: Pick<CairnFile["gateway"], "host" | "port">,
): MeshOptions {
  const { id, secret, secretBefore, hosts, heartbeat, silence, frameBytesMax, windowBytes } = mesh;
  const { lease, balance, movesMax } = mesh;
  return {
    id,
    secrets: [secret, secretBefore].filter((each) => each !== undefined),
    heartbeatMs: heartbeat,
    silenceMs: silence,
    leaseMs: lease,
    balance,
    movesMax,
    frameBytesMax,
    windowBytes,
    hosts: Object.entries(hosts).map(([name, { address, listen, roles, http, capacity }]) => ({
      name,
      address,
      listen: listen ?? address,
      roles,
      capacityBytes: capacity,
      http: http ??
        (roles.includes("serving") ? { hostname: gateway.host, port: gateway.port } : undefined),
    })),
  };
}

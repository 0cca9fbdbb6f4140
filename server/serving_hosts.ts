/**
 * The hosts of a mesh that serve, by its coordination store.
 */
import type { HostRecord, MeshView } from "../mesh/ports/coordination.ts";

/** The hosts whose gateways answer, by their leases. */
export function hostsServing(view: MeshView): string[] {
  return servingIn(view).filter(({ expiresMs }) => expiresMs > view.nowMs).map(({ host }) => host);
}

/**
 * The hosts that may serve, also those whose leases have just ended.
 *
 * @param own This host, which serves.
 * @throws {Error} The mesh does not have this host: it still serves the rows that it has, for as
 * long as it has not heard of its removal.
 */
export function servingWith(view: MeshView, own: string | undefined): string[] {
  const hosts = servingIn(view).map(({ host }) => host);
  if (own !== undefined && !hosts.includes(own)) {
    throw new Error(`the mesh does not have the host ${own}`);
  }
  return hosts;
}

function servingIn({ hosts }: MeshView): HostRecord[] {
  return [...hosts.values()].filter(({ roles }) => roles.includes("serving"));
}

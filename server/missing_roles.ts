/**
 * The roles without which no host of a mesh can rank, the hosts to start for them, and the trainers
 * that have not begun.
 */
import type { HostOptions } from "../configuration/configuration.ts";
import { shardViews } from "../mesh/placement/mesh_views.ts";
import type { MeshView } from "../mesh/ports/coordination.ts";

/** Roles of the hosts that have the rows, and learn and carry what is learned to serving. */
const NEEDED_ROLES = ["shards", "trainer"] as const;

/**
 * Names each needed role that no running host has, and the hosts of the file that have it;
 * undefined where none is missing.
 */
export function missingRoles(
  { hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">,
  configured: readonly Pick<HostOptions, "name" | "roles">[],
): string | undefined {
  const running = [...hosts.values()].filter(({ expiresMs }) => expiresMs > nowMs);
  const missing = NEEDED_ROLES.filter((role) => !running.some(({ roles }) => roles.includes(role)));
  if (missing.length === 0) return undefined;
  return missing.map((role) => {
    const names = configured.filter(({ roles }) => roles.includes(role)).map(({ name }) => name);
    return `no host with the role ${role} is up: start ${names.join(" or ")}`;
  }).join("; ");
}

/** Names the trainers that have a host and have not begun there; undefined where all have. */
export function trainersToBegin(view: MeshView): string | undefined {
  const names = shardViews(view, "trainer").flatMap(({ shard, placement }) =>
    placement.kind === "restoring" ? [`trainer ${shard} to begin on ${placement.owner}`] : []
  );
  if (names.length === 0) return undefined;
  const reason = names.length === 1
    ? "its log says why it cannot"
    : "their logs say why they cannot";
  return `waiting for ${names.join(" and ")}; ${reason}`;
}

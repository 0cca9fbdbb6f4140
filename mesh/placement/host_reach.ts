/**
 * Which hosts other hosts can reach, from what all of them tell with their renewals.
 */
import {
  type HostRecord,
  type HostRun,
  isSameRun,
  type MeshView,
  type PlacedKind,
} from "../ports/coordination.ts";

/**
 * The roles whose hosts need a link with the host of a part: without one from any host of one of
 * them, the part is of no use. Joiners read and write logs alone; feature keepers go with them.
 */
const userRoles: Readonly<Record<PlacedKind, readonly string[]>> = {
  shard: ["trainer", "serving"],
  events: ["serving"],
  trainer: ["shards", "serving"],
};

/** How other hosts reach a host that has, or may get, parts of one kind. */
export interface HostReach {
  /**
   * Share of the other living hosts that have no link with it, in the role that uses such parts and
   * lacks the most; 1 = it is cut off: no host of a role reaches it.
   */
  readonly unreached: number;
  /** Names of these hosts, of all roles that use such parts. */
  readonly unreachedBy: readonly string[];
  /** Names of the hosts with which it can exchange no copies of such parts. */
  readonly noCopies: readonly string[];
}

/** The reach of a host that has a link with all others. */
export const wholeReach: HostReach = { unreached: 0, unreachedBy: [], noCopies: [] };

/** How the other hosts of a view reach a host. */
export function reachOf(view: MeshView, kind: PlacedKind, host: HostRecord): HostReach {
  const others = livingHosts(view).filter((other) => other.host !== host.host);
  const roles = userRoles[kind].map((role) => {
    const users = others.filter(({ roles }) => roles.includes(role));
    return { users: users.length, without: users.filter((user) => lacks(user, host)) };
  }).filter(({ without }) => without.length > 0);
  // Other parts begin anew at their next host.
  const copies = kind === "shard" ? others : [];
  return {
    unreached: Math.max(0, ...roles.map(({ users, without }) => without.length / users)),
    unreachedBy: [...new Set(roles.flatMap(({ without }) => without.map(({ host }) => host)))],
    noCopies: copies.filter((other) => lacks(other, host) || lacks(host, other))
      .map((other) => other.host),
  };
}

/** Whether no host of a role that uses such parts reaches it. */
export function isCutOff({ unreached }: Pick<HostReach, "unreached">): boolean {
  return unreached === 1;
}

/** The living hosts without a link with each host, by its name, where there are any. */
export function missingLinks(view: MeshView): Map<string, string[]> {
  const living = livingHosts(view);
  return new Map(
    living.map((host): [string, string[]] => [
      host.host,
      living.filter((other) => lacks(other, host)).map((other) => other.host),
    ]).filter(([, without]) => without.length > 0),
  );
}

function livingHosts({ hosts, nowMs }: MeshView): HostRecord[] {
  return [...hosts.values()].filter(({ expiresMs }) => expiresMs > nowMs);
}

function lacks({ unlinked }: HostRecord, run: HostRun): boolean {
  return unlinked.some((each) => isSameRun(each, run));
}

/** Names of hosts, and their verb: `a has`, `a and b have`, `a, b and c have`. */
export function hostsHave(hosts: readonly string[]): string {
  const [last, ...others] = hosts.toReversed();
  return others.length === 0 ? `${last} has` : `${others.toReversed().join(", ")} and ${last} have`;
}

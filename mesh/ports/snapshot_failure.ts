/**
 * Failures of snapshots, as the processes that take them tell them.
 */
import type { MeshView } from "./coordination.ts";

/** The failure of the last attempt to take a snapshot. */
export interface SnapshotFailure {
  readonly reason: string;
  /**
   * When the newest snapshot was taken, ms since the Unix epoch; absent where the process knows of
   * none, as after a start or an attempt at which their store lacked it.
   */
  readonly newestAtMs?: number;
}

/** The failure on a host of a mesh; without a name, in the only process. */
export interface HostSnapshotFailure extends SnapshotFailure {
  readonly host?: string;
}

/**
 * The failure in words, for operators.
 *
 * @param nowMs ms since the Unix epoch.
 */
export function snapshotFailureText(
  { host, reason, newestAtMs }: HostSnapshotFailure,
  nowMs: number,
): string {
  const place = host === undefined ? "" : ` on host ${host}`;
  const newest = newestAtMs === undefined
    ? "no earlier one is known"
    : `the newest one is ${Math.max(0, Math.round((nowMs - newestAtMs) / 1_000))} s old`;
  return `the last attempt to take a snapshot${place} has failed, and ${newest}: ${reason}`;
}

/** The failures that the hosts of a mesh tell, of those whose leases have not ended. */
export function snapshotFailuresIn(
  { hosts, nowMs }: Pick<MeshView, "hosts" | "nowMs">,
): (SnapshotFailure & { readonly host: string })[] {
  return [...hosts.values()].flatMap(({ host, expiresMs, snapshotFailure }) =>
    snapshotFailure === undefined || expiresMs <= nowMs ? [] : [{ host, ...snapshotFailure }]
  );
}

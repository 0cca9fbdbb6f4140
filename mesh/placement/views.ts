/**
 * Hosts and shards as placement sees them: plain data, read from the coordination store.
 */
import type { HostReach } from "./host_reach.ts";

export type HostState = "up" | "draining" | "silent" | "gone";

/** A process of the mesh that may own shards. */
export interface HostView extends HostReach {
  /** The host's name, unique in the mesh. */
  readonly host: string;
  /**
   * `draining`: it gives up its shards and gets no others. `silent`: its lease has expired, and it
   * may still come back: it keeps its shards and gets no others. `gone`: it was removed.
   */
  readonly state: HostState;
  /** Whether it may own shards. */
  readonly ownsShards: boolean;
  /** Upper bound of the bytes of the shards that it owns. */
  readonly capacityBytes: number;
}

/**
 * The placement of one shard. `epoch` grows with each change of the owner; every effect of an owner
 * names it.
 *
 *     unassigned ─▶ restoring ─▶ active ─▶ moving ─▶ active (epoch + 1)
 *                       ▲           └─ the owner's lease expires: restoring (epoch + 1)
 */
export type ShardPlacement =
  | { readonly kind: "unassigned"; readonly epoch: number }
  /** The owner reads the newest snapshot. */
  | { readonly kind: "restoring"; readonly epoch: number; readonly owner: string }
  | { readonly kind: "active"; readonly epoch: number; readonly owner: string }
  /** The target copies the rows while the owner applies gradients. */
  | {
    readonly kind: "moving";
    readonly epoch: number;
    readonly owner: string;
    readonly target: string;
  };

export interface ShardView {
  /** From 0. */
  readonly shard: number;
  readonly placement: ShardPlacement;
  readonly rows: number;
  readonly bytes: number;
}

/** The host that applies gradients, or will when it has restored the shard. */
export function ownerOf(placement: ShardPlacement): string | undefined {
  return placement.kind === "unassigned" ? undefined : placement.owner;
}

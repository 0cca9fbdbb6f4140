/**
 * The plan of a placement: one decision for every shard, with its reason as a sentence.
 */

import type { HostState } from "./views.ts";

/** A decision about one shard. */
export type ShardDecision =
  | { readonly kind: "stays"; readonly shard: number; readonly on: string; readonly reason: string }
  /** Its owner is alive, and the shard moves without a pause of training. */
  | ShardTransfer & { readonly kind: "moves"; readonly from: string }
  /**
   * It has no living owner: the new one reads the newest snapshot, and training goes back to it.
   */
  | ShardTransfer & { readonly kind: "restores"; readonly from?: string }
  /** A move or a restore that began before. */
  | ShardTransfer & { readonly kind: "underway"; readonly from?: string }
  /** It is to move, in a later round. */
  | ShardTransfer & { readonly kind: "waits"; readonly from: string }
  /** It is to leave its host, or has none, and no host can take it. */
  | {
    readonly kind: "unplaced";
    readonly shard: number;
    readonly from?: string;
    readonly reason: string;
  };

/** A change of a shard's owner. */
export interface ShardTransfer {
  readonly shard: number;
  readonly to: string;
  readonly rows: number;
  readonly bytes: number;
  readonly reason: string;
}

/** The load of a host before and after a plan. */
export interface HostChange {
  readonly host: string;
  readonly state: HostState;
  readonly capacityBytes: number;
  /** Names of the hosts that use such shards and have no link with it. */
  readonly unreachedBy: readonly string[];
  readonly shardsBefore: number;
  readonly shardsAfter: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export interface PlacementPlan {
  /** One a shard, in the order of the shards. */
  readonly shards: readonly ShardDecision[];
  readonly hosts: readonly HostChange[];
}

/** The decisions that change something now, in the order in which they are carried out. */
export function changesOf(
  { shards }: PlacementPlan,
): Extract<ShardDecision, { kind: "moves" | "restores" }>[] {
  const restores = shards.filter((decision) => decision.kind === "restores");
  const moves = shards.filter((decision) => decision.kind === "moves");
  return [...restores, ...moves];
}

/** Whether a plan changes nothing, and leaves nothing to be changed later. */
export function isSettled({ shards }: PlacementPlan): boolean {
  return shards.every(({ kind }) => kind === "stays");
}
